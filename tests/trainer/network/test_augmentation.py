import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from trainer.network.augmentation import augment
from trainer.network.random_rows import AUGMENTATION, draw_rows

BATCH = 32


def pixels(count=BATCH, size=(21, 17)):
    return np.random.default_rng(1).integers(0, 65536, (count, *size, 1)).astype(np.float32)


def numbers(positions, seed=3):
    return draw_rows(seed, AUGMENTATION, tf.constant(positions, tf.int64), BATCH, 6).numpy().astype(np.float64)


def computed(image, drawn):
    """Computes one augmented (H, W) image in float64 with SciPy."""
    height, width = image.shape
    flip_rows, flip_columns = drawn[:2] < 0.5
    down, right, gamma, contrast = 2 * drawn[2:] - 1
    rows, columns = np.arange(height) - 8 * down, np.arange(width) - 6 * right
    rows = height - 1 - rows if flip_rows else rows
    columns = width - 1 - columns if flip_columns else columns
    padded = np.pad(image.astype(np.float64), 20)
    grid = np.meshgrid(rows + 20, columns + 20, indexing="ij")
    moved = map_coordinates(padded, grid, order=1) / 65535
    return 65535 * np.minimum(np.exp(0.1 * contrast) * moved ** np.exp(0.25 * gamma), 1)


def test_the_images_are_those_of_a_computation_in_float64():
    images, positions = pixels(), np.arange(5 * BATCH, 6 * BATCH)
    found = augment(tf.constant(images), 3, tf.constant(positions), BATCH).numpy()
    assert (found.shape, found.dtype) == (images.shape, np.float32)
    for image, augmented, drawn in zip(images, found, numbers(positions), strict=True):
        np.testing.assert_allclose(augmented[..., 0], computed(image[..., 0], drawn), rtol=1e-3, atol=20)


def test_the_numbers_are_uniform_and_other_ones_for_each_row_step_and_seed():
    drawn = np.stack([numbers(range(step * BATCH, (step + 1) * BATCH)) for step in range(40)])
    assert len(np.unique(drawn)) > 0.99 * drawn.size
    np.testing.assert_allclose(drawn.mean(axis=(0, 1)), 0.5, atol=0.03)
    assert not np.array_equal(numbers(range(BATCH)), numbers(range(BATCH), seed=4))


@pytest.mark.parametrize("compiled", [False, True])
def test_two_replicas_change_the_images_as_one_does(compiled):
    def change(images, positions):
        return augment(images, 3, positions, BATCH)

    images, positions = tf.constant(pixels()), tf.range(BATCH, 2 * BATCH, dtype=tf.int64)
    whole = change(images, positions).numpy()
    run = tf.function(change, jit_compile=True) if compiled else change
    halves = [run(images[part], positions[part]).numpy() for part in (slice(0, 16), slice(16, 32))]
    np.testing.assert_allclose(np.concatenate(halves), whole, rtol=1e-4, atol=1)


def test_the_canvas_stays_black():
    images = np.zeros((BATCH, 40, 30, 1), np.float32)
    images[:, 15:25, 10:20] = 30000
    found = augment(tf.constant(images), 0, tf.range(BATCH, dtype=tf.int64), BATCH).numpy()
    assert ((found > 0).sum(axis=(1, 2, 3)) <= 11 * 11).all()
    assert ((found > 0).sum(axis=(1, 2, 3)) >= 9 * 9).all()
