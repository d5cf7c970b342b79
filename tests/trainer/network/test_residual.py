import numpy as np
import pytest
import tensorflow as tf
from scipy.signal import correlate2d

from trainer.data.image_set import Statistics
from trainer.network import residual
from trainer.settings import settings_for

STATISTICS = Statistics(20000.0, 9e6)


def make(precision="float32", size=(16, 12), **given):
    settings = settings_for("residual", model_dir="", height=size[0], width=size[1], **given)
    return residual.build(settings, STATISTICS, precision)


def changed(model):
    """Returns the model with other weights: some begin with zeros, which would hide errors."""
    for number, variable in enumerate(model.trainable_variables):
        variable.assign_add(tf.random.stateless_normal(variable.shape, [1, number], stddev=0.1))
    return model


def images(count, size=(16, 12)):
    """Returns (count, H, W) images with a film of other size each, on a black canvas."""
    pixels = np.random.default_rng(0).integers(1, 65536, (count, *size)).astype(np.float32)
    for number, image in enumerate(pixels):
        image[:, size[1] - 2 * number :] = 0
    return pixels


def convolved(x, kernel, bias, stride):
    """Convolves (H, W, C) with TensorFlow's "same" padding, which pads less at the top and left."""
    pads = []
    for extent, width in zip(x.shape[:2], kernel.shape[:2], strict=True):
        total = max((-(-extent // stride) - 1) * stride + width - extent, 0)
        pads.append((total // 2, total - total // 2))
    x = np.pad(x, (*pads, (0, 0)))
    full = [sum(correlate2d(x[..., i], kernel[..., i, o], mode="valid") for i in range(x.shape[-1])) + bias[o]
            for o in range(kernel.shape[-1])]  # fmt: skip
    return np.stack(full, axis=-1)[::stride, ::stride]


def computed(model, image):
    """Computes the logits of one (H, W) image, without flips, in float64 with SciPy and NumPy."""
    weights = {weight.path: weight.numpy().astype(np.float64) for weight in model.weights}

    def conv(x, name, stride=1):
        return convolved(x, weights[f"{name}/kernel"], weights[f"{name}/bias"], stride)

    film = image > 0
    inside = image[film] / 65535
    by_film = np.where(film, (image / 65535 - inside.mean()) / np.sqrt(inside.var() + 1e-6), 0)
    x = conv(np.stack([(image - 20000.0) / 3000.0, by_film, film], axis=-1), "stem", 2)
    for stage in ("stage1", "stage2", "stage3"):
        x = conv(np.maximum(x, 0), f"{stage}_down", 2)
        y = conv(np.maximum(x, 0), f"{stage}_conv1")
        x = x + conv(np.maximum(y, 0), f"{stage}_conv2")
    x = np.maximum(x, 0)
    features = np.concatenate([x.mean(axis=(0, 1)), x.max(axis=(0, 1))])
    return features @ weights["logits/kernel"] + weights["logits/bias"]


@pytest.mark.parametrize("size", [(16, 12), (19, 9)])
def test_the_logits_are_the_mean_over_flips_of_a_computation_in_float64(size):
    model, pixels = changed(make(size=size)), images(3, size).astype(np.float64)
    expected = [np.mean([computed(model, image[::a, ::b]) for a, b in ((1, 1), (1, -1), (-1, 1))], axis=0)
                for image in pixels]  # fmt: skip
    np.testing.assert_allclose(model(pixels[..., None].astype(np.float32)).numpy(), expected, rtol=1e-3, atol=1e-3)


def test_the_logits_in_training_are_those_of_the_unflipped_image():
    settings = settings_for("residual", model_dir="", height=16, width=12, augmentation="none", batch_size=3)
    model, pixels = changed(residual.build(settings, STATISTICS, "float32")), images(3)
    [found] = residual.training_logits(model, settings)(tf.constant(pixels[..., None]), tf.range(3, dtype=tf.int64))
    expected = [computed(model, image.astype(np.float64)) for image in pixels]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_dropout_scales_the_units_that_are_kept():
    settings = settings_for("residual", model_dir="", height=16, width=12, augmentation="none", dropout=0.5)
    model = changed(residual.build(settings, STATISTICS, "float32"))
    trunk = model.get_layer("trunk")
    trunk.get_layer("logits").kernel.assign(np.zeros((192, 4)))
    trunk.get_layer("logits").kernel[:, 0].assign(np.ones(192))
    same = np.repeat(images(1)[..., None], 64, axis=0)
    drawn = residual.training_logits(model, settings)(tf.constant(same), tf.range(64, dtype=tf.int64))[0].numpy()[:, 0]
    without = residual.training_logits(model, settings_for("residual", model_dir="", augmentation="none"))
    expected = without(tf.constant(same[:1]), tf.zeros(1, tf.int64))[0].numpy()[0, 0]
    assert len(set(drawn.tolist())) == 64
    np.testing.assert_allclose(drawn.mean(), expected, rtol=0.05)


def test_several_seeds_give_the_mean_of_the_networks_with_these_seeds():
    settings = settings_for("residual", model_dir="", height=16, width=12, seed=5, seeds=3)
    model = residual.build(settings, STATISTICS, "float32")
    single = [make(seed=seed) for seed in (5, 6, 7)]
    for weight, expected in zip(model.weights, [w for one in single for w in one.weights], strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())
    pixels = images(3)[..., None]
    for number, one in enumerate(single):
        one.get_layer("trunk").get_layer("logits").bias.assign([0.0, 1.0, 2.0, number])
        model.get_layer(("trunk", "trunk_2", "trunk_3")[number]).get_layer("logits").bias.assign([0, 1, 2, number])
    expected = np.mean([one(pixels).numpy() for one in single], axis=0)
    np.testing.assert_allclose(model(pixels).numpy(), expected, rtol=1e-6)
    alone = [
        residual.training_logits(one, settings_for("residual", model_dir=""))(pixels, tf.range(3)) for one in single
    ]
    together = residual.training_logits(model, settings)(pixels, tf.range(3))
    np.testing.assert_allclose(together, [found for [found] in alone], rtol=1e-6)


def test_the_size_of_the_network():
    model = make(size=(128, 95))
    assert model.count_params() == 338_948
    shapes = {layer.name: layer.output.shape[1:] for layer in model.get_layer("trunk").layers if "/" not in layer.name}
    assert shapes["stem"] == (64, 48, 16)
    assert [shapes[f"stage{n}_conv2"] for n in (1, 2, 3)] == [(32, 24, 32), (16, 12, 64), (8, 6, 96)]
    assert shapes["features"] == (192,)
    assert (model.input_shape, model.output_shape) == ((None, 128, 95, 1), (None, 4))


def test_the_initial_weights_depend_on_the_seed_only():
    one, same, other = make(), make(), make(seed=2**28 - 1)
    kernels = [name for name in (w.path for w in one.trainable_weights) if "kernel" in name]
    for a, b, c in zip(one.trainable_weights, same.trainable_weights, other.trainable_weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        begins_with_zeros = a.path not in kernels or "conv2" in a.path or "logits" in a.path
        assert np.array_equal(a.numpy(), c.numpy()) == begins_with_zeros == (not a.numpy().any()), a.path


def test_bfloat16_is_used_for_computations_only():
    model, reference = changed(make("bfloat16")), changed(make())
    assert {weight.dtype for weight in model.weights} == {"float32"}
    logits = model(images(3)[..., None])
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits.numpy(), reference(images(3)[..., None]).numpy(), rtol=0.1, atol=0.3)


def test_a_black_image_has_finite_logits():
    assert np.isfinite(make()(np.zeros((1, 16, 12, 1), np.float32)).numpy()).all()
