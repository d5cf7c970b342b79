import numpy as np
import pytest
import tensorflow as tf

from trainer.network.losses import LOSSES


def computed(name, labels, logits):
    """Computes the losses in float64, image by image."""
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if name == "crossentropy":
        return np.array([-np.log(row[label]) for label, row in zip(labels, probabilities, strict=True)])
    losses = []
    for label, row in zip(labels, probabilities, strict=True):
        terms = [-np.log(row[k:].sum() if label >= k else row[:k].sum()) for k in range(1, len(row))]
        losses.append(sum(terms))
    return np.array(losses)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("categories", [2, 4, 9])
def test_the_losses_are_those_of_a_computation_in_float64(name, categories):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 4, (50, categories)), rng.integers(0, categories, 50)
    found = LOSSES[name](tf.constant(labels), tf.constant(logits, tf.float32)).numpy()
    np.testing.assert_allclose(found, computed(name, labels, logits), rtol=1e-4, atol=1e-6)


def test_with_two_categories_the_losses_are_the_same():
    logits, labels = tf.constant([[1.0, -2.0], [0.5, 3.0]]), tf.constant([0, 0], tf.int64)
    np.testing.assert_allclose(LOSSES["ordinal"](labels, logits), LOSSES["crossentropy"](labels, logits), rtol=1e-6)


def test_a_far_category_costs_more_than_a_near_one():
    near, far = tf.constant([[0.0, 5.0, 0.0, 0.0]]), tf.constant([[0.0, 0.0, 0.0, 5.0]])
    label = tf.constant([0], tf.int64)
    assert LOSSES["ordinal"](label, far)[0] > LOSSES["ordinal"](label, near)[0] + 5
    assert float(LOSSES["crossentropy"](label, far)[0]) == pytest.approx(float(LOSSES["crossentropy"](label, near)[0]))


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_give_finite_losses_and_gradients(name):
    logits = tf.Variable([[1000.0, -1000.0, 0.0, 500.0], [-1000.0, 1000.0, -1000.0, -1000.0]])
    with tf.GradientTape() as tape:
        losses = LOSSES[name](tf.constant([1, 0], tf.int64), logits)
    assert np.isfinite(losses.numpy()).all()
    assert np.isfinite(tape.gradient(losses, logits).numpy()).all()
