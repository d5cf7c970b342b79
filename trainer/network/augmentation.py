"""Random changes of training images. They depend on the seed, the step and the row in the batch only.

A flip and a shift along an axis are one sparse matrix, so all images of a batch are changed by two matrix products with
static shapes, on any device and under XLA.
"""

import tensorflow as tf

from preprocess.contract.schema import PIXEL_MAX
from trainer.network.random_rows import AUGMENTATION, draw_rows

SHIFTS = (8.0, 6.0)
"""Largest shift down or up and to the right or left, in pixels."""

GAMMA = 0.25
"""The exponent of the pixel values is e^-0.25 to e^0.25, 0.78 to 1.28."""

CONTRAST = 0.1
"""The factor of the pixel values is e^-0.1 to e^0.1, 0.90 to 1.11."""

_NUMBERS = 6  # random numbers of an image


def augment(pixels: tf.Tensor, seed: int, positions: tf.Tensor, batch_size: int) -> tf.Tensor:
    """Flips, shifts and changes gamma and contrast of a batch of images. The canvas around a film stays 0.

    Args:
        pixels: (b, H, W, 1) float32, 0 to 65535.
        seed: of the training.
        positions: (b,) int64, positions in the stream of training images; all of one step.
        batch_size: images in a step, over all replicas.

    Returns:
        (b, H, W, 1) float32, 0 to 65535. Bilinear interpolation between pixels.
    """
    drawn = draw_rows(seed, AUGMENTATION, positions, batch_size, _NUMBERS)
    flips, signed = drawn[:, :2] < 0.5, 2.0 * drawn[:, 2:] - 1.0  # -1 to below 1
    rows = _resampling(pixels.shape[1], flips[:, 0], SHIFTS[0] * signed[:, 0])
    columns = _resampling(pixels.shape[2], flips[:, 1], SHIFTS[1] * signed[:, 1])
    moved = rows @ pixels[..., 0] @ tf.transpose(columns, (0, 2, 1))
    gamma, contrast = tf.exp(GAMMA * signed[:, 2, None, None]), tf.exp(CONTRAST * signed[:, 3, None, None])
    share = tf.clip_by_value(moved / PIXEL_MAX, 0.0, 1.0)
    changed = tf.where(share > 0, contrast * tf.pow(tf.maximum(share, 1e-6), gamma), 0.0)
    return PIXEL_MAX * tf.clip_by_value(changed, 0.0, 1.0)[..., None]


def _resampling(size: int, flips: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Returns the matrices that flip and shift along an axis by linear interpolation: (b, size, size) float32.

    Args:
        size: pixels along the axis.
        flips: (b,) bool.
        shifts: (b,) float32, in pixels; applied after the flip. Pixels from outside of the image are 0.
    """
    places = tf.range(size, dtype=tf.float32)
    sources = places[None] - shifts[:, None]
    sources = tf.where(flips[:, None], size - 1.0 - sources, sources)
    return tf.maximum(1.0 - tf.abs(sources[:, :, None] - places), 0.0)
