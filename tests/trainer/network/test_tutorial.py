import numpy as np
import pytest
import tensorflow as tf
from scipy.signal import correlate2d

from trainer.data.image_set import Statistics
from trainer.network.tutorial import UNITS, build_model, keep_mask


def make(precision="float32", seed=0, size=(16, 12)):
    return build_model(size, 1, 4, Statistics(20000.0, 9e6), 0.4, seed, precision)


def computed(model, image):
    """Computes the logits of one (H, W) image in float64 with SciPy and NumPy."""
    weights = {weight.path: weight.numpy().astype(np.float64) for weight in model.weights}

    def convolved(x, name):
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        x = np.stack([
            sum(correlate2d(x[..., i], kernel[..., i, o], mode="same") for i in range(x.shape[-1])) + bias[o]
            for o in range(kernel.shape[-1])
        ], axis=-1)  # fmt: skip
        height, width = (extent // 2 for extent in x.shape[:2])
        x = np.maximum(x, 0)[: 2 * height, : 2 * width]
        return x.reshape(height, 2, width, 2, -1).max(axis=(1, 3))

    x = (image[..., None] - 20000.0) / 3000.0
    x = convolved(convolved(x, "conv1"), "conv2").reshape(-1)
    x = np.maximum(x @ weights["hidden/kernel"] + weights["hidden/bias"], 0)
    return x @ weights["logits/kernel"] + weights["logits/bias"]


@pytest.mark.parametrize("size", [(16, 12), (9, 7)])
def test_the_logits_are_those_of_a_computation_in_float64(size):
    model = make(size=size)
    for variable in model.trainable_variables:  # biases are initialized with zeros, which would hide errors
        variable.assign_add(tf.random.stateless_normal(variable.shape, [1, 2], stddev=0.05))
    images = np.random.default_rng(0).integers(0, 65536, (3, *size)).astype(np.float32)
    expected = np.stack([computed(model, image) for image in images])
    np.testing.assert_allclose(model(images[..., None]).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_layers_at_the_real_size_are_those_of_the_tutorial():
    model = make(size=(128, 95))
    shapes = {weight.path: tuple(weight.shape) for weight in model.trainable_weights}
    assert shapes == {
        "conv1/kernel": (5, 5, 1, 32), "conv1/bias": (32,), "conv2/kernel": (5, 5, 32, 64), "conv2/bias": (64,),
        "hidden/kernel": (32 * 23 * 64, 1024), "hidden/bias": (1024,), "logits/kernel": (1024, 4), "logits/bias": (4,),
    }  # fmt: skip
    assert (model.input_shape, model.output_shape) == ((None, 128, 95, 1), (None, 4))
    assert model.get_layer("dropout").rate == 0.4


def test_the_initial_weights_depend_on_the_seed_only():
    one, same, other = make(), make(), make(seed=2**28 - 1)
    for a, b, c in zip(one.trainable_weights, same.trainable_weights, other.trainable_weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert "bias" in a.path or not np.array_equal(a.numpy(), c.numpy())


def test_bfloat16_is_used_for_computations_only():
    model = make("bfloat16")
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.get_layer("conv2").compute_dtype == "bfloat16"
    assert model.get_layer("normalization").compute_dtype == model.get_layer("logits").compute_dtype == "float32"
    images = np.random.default_rng(0).integers(0, 65536, (3, 16, 12, 1)).astype(np.float32)
    logits = model(images)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits.numpy(), make()(images).numpy(), atol=0.15)
    assert not np.array_equal(logits.numpy(), make()(images).numpy())


def mask(positions, seed=5, batch_size=8, dropout=0.4):
    return keep_mask(seed, tf.constant(positions, tf.int64), batch_size, dropout).numpy()


def test_a_dropout_mask_depends_on_seed_step_and_row_only():
    whole = mask(range(16, 24))
    np.testing.assert_array_equal(np.concatenate([mask(range(16, 20)), mask(range(20, 24))]), whole)
    compiled = tf.function(keep_mask, jit_compile=True)(5, tf.range(16, 24, dtype=tf.int64), 8, 0.4)
    np.testing.assert_array_equal(compiled.numpy(), whole)
    assert not np.array_equal(mask(range(24, 32)), whole)
    assert not np.array_equal(mask(range(16, 24), seed=6), whole)
    assert len({row.tobytes() for row in whole}) == 8


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.4, 0.9])
def test_a_dropout_mask_removes_its_share_and_scales_the_rest(dropout):
    drawn = np.concatenate(
        [mask(range(64 * step, 64 * step + 64), batch_size=64, dropout=dropout) for step in range(8)]
    )
    assert set(np.unique(drawn)) <= {0, np.float32(1 / (1 - dropout))}
    count = drawn.size
    assert count == 8 * 64 * UNITS
    assert abs((drawn == 0).sum() - dropout * count) <= 5 * np.sqrt(count * dropout * (1 - dropout))
