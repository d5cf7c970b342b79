"""Random numbers that depend on the seed, the step and the row in the batch only, so not on the number of devices.

Random operations of Keras draw the same numbers on every replica and other numbers under XLA, and they have state that
no checkpoint contains.
"""

import tensorflow as tf

DROPOUT, AUGMENTATION = 0, 1
"""Streams of random numbers, which are independent of each other."""

_STREAM = 1 << 40  # above all seeds, which are below 2^29 here


def draw_rows(
    seed: int, stream: int, positions: tf.Tensor, batch_size: int, count: int, dtype: tf.DType = tf.float32
) -> tf.Tensor:
    """Draws numbers for the rows of a batch.

    Args:
        seed: of the training.
        stream: `DROPOUT` or `AUGMENTATION`.
        positions: (b,) int64, positions in the stream of training images; all of one step.
        batch_size: images in a step, over all replicas.
        count: numbers of a row.
        dtype: float32, from 0 to below 1; or int32, over its whole range.

    Returns:
        (b, count) numbers.
    """
    step, rows = positions[0] // batch_size, positions % batch_size
    limits = {"minval": None, "maxval": None} if dtype.is_integer else {}
    drawn = tf.random.stateless_uniform(
        (batch_size, count), seed=tf.stack([tf.constant(2 * seed + 1 + stream * _STREAM, tf.int64), step]), dtype=dtype,
        alg="philox", **limits,
    )  # fmt: skip
    return tf.gather(drawn, rows)
