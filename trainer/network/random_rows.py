"""Random numbers that depend on the seed, the step and the row in the batch only, so not on the number of devices.

Random operations of Keras draw the same numbers on every replica and other numbers under XLA, and they have state that
no checkpoint contains.

The integers are unsigned, because TensorFlow compares int32 numbers of a GPU in the memory of the host.
"""

import tensorflow as tf

DROPOUT, AUGMENTATION = 0, 1
"""Streams of random numbers, which are independent of each other."""

_STREAM = 1 << 40  # above all seeds, which are below 2^29 here


def draw_integers(seed: int, stream: int, positions: tf.Tensor, batch_size: int, count: int) -> tf.Tensor:
    """Draws integers for the rows of a batch, uniformly from all uint32.

    Args:
        seed: of the training.
        stream: `DROPOUT` or `AUGMENTATION`.
        positions: (b,) int64, positions in the stream of training images; all of one step.
        batch_size: images in a step, over all replicas.
        count: numbers of a row.

    Returns:
        (b, count) uint32.
    """
    step, rows = positions[0] // batch_size, positions % batch_size
    drawn = tf.random.stateless_uniform(
        (batch_size, count), seed=tf.stack([tf.constant(2 * seed + 1 + stream * _STREAM, tf.int64), step]),
        dtype=tf.int32, alg="philox", minval=None, maxval=None,
    )  # fmt: skip
    bits = tf.bitcast(tf.gather(drawn, rows), tf.uint32)  # GPUs gather int32, but not uint32
    return tf.bitwise.bitwise_xor(bits, tf.constant(1 << 31, tf.uint32))  # in the order of the int32 numbers


def draw_rows(seed: int, stream: int, positions: tf.Tensor, batch_size: int, count: int) -> tf.Tensor:
    """Draws numbers for the rows of a batch, uniformly from 0 to below 1.

    They are made from integers, because TensorFlow draws other floating-point numbers under XLA.

    Args:
        seed, stream, positions, batch_size, count: see `draw_integers`.

    Returns:
        (b, count) float32, multiples of 2^-24.
    """
    drawn = draw_integers(seed, stream, positions, batch_size, count)
    return tf.cast(tf.bitwise.right_shift(drawn, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
