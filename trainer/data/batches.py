"""Batches of images. Their order depends on the seed and the step only.

The training images are an endless stream of epochs, each a permutation of the whole set. Step s, counted from 0, takes
the positions s * batch_size to (s + 1) * batch_size - 1 of the stream, whatever step a run starts at and however many
replicas there are.
"""

import tensorflow as tf

from trainer.data.image_set import ImageSet

Batch = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""(b, H, W, 1) uint16 pixels, (b,) int64 labels, (b,) int64 positions in the stream (training) or set (evaluation)."""


@tf.autograph.experimental.do_not_convert  # AutoGraph finds nothing to convert and takes time, as in `loop.training`
def epoch_order(count: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Returns the order of the images in one epoch: (count,) int64, a permutation of 0 to count - 1."""
    keys = tf.random.stateless_uniform(
        (count,), seed=tf.stack([tf.constant(2 * seed, tf.int64), epoch]), minval=None, maxval=None, dtype=tf.int64,
        alg="philox",
    )  # fmt: skip
    return tf.argsort(keys, stable=True)


def training_rows(count: int, seed: int, first: int) -> tf.data.Dataset:
    """Yields (position in the stream, index of the image) from position `first` on, without end."""
    epoch, skipped = divmod(first, count)
    epochs = tf.data.Dataset.range(epoch, tf.int64.max)
    rows = epochs.flat_map(lambda number: tf.data.Dataset.from_tensor_slices(epoch_order(count, seed, number)))
    return rows.skip(skipped).enumerate(start=first)


def training_batches(
    images: ImageSet, batch_size: int, seed: int, first_step: int, context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Yields one training batch for each replica, in the order of the replicas, step after step, without end.

    With several workers, only the batches for the replicas of this worker are yielded.

    Args:
        batch_size: images in a step, over all replicas; a multiple of the number of replicas.
        first_step: number of steps to skip.
        context: of the strategy; None for one replica.
    """
    replicas = context.num_replicas_in_sync if context else 1
    rows = training_rows(len(images), seed, first_step * batch_size)
    batches = _of_this_worker(rows.batch(batch_size // replicas, drop_remainder=True), context)
    # Otherwise several workers ask each other before every step whether one of them has no batch left.
    endless = batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return _batches(images, endless)


def evaluation_batches(
    images: ImageSet, batch_size: int, context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Yields one evaluation batch for each replica, step after step: every image once, in the order of the set.

    The last step is padded to the full size with copies of the last image, at positions from `len(images)` on.

    Args:
        batch_size, context: see `training_batches`.
    """
    replicas = context.num_replicas_in_sync if context else 1
    padded = -(-len(images) // batch_size) * batch_size
    rows = tf.data.Dataset.range(padded).map(lambda position: (position, tf.minimum(position, len(images) - 1)))
    return _batches(images, _of_this_worker(rows.batch(batch_size // replicas, drop_remainder=True), context))


def _of_this_worker(batches: tf.data.Dataset, context: tf.distribute.InputContext | None) -> tf.data.Dataset:
    """Keeps only the batches for the replicas of this worker, if there are several workers."""
    if context is None or context.num_input_pipelines == 1:
        return batches
    here = context.num_replicas_in_sync // context.num_input_pipelines
    numbered = batches.enumerate().filter(
        lambda number, _: number % context.num_replicas_in_sync // here == context.input_pipeline_id
    )
    return numbered.map(lambda _, batch: batch)


def _batches(images: ImageSet, rows: tf.data.Dataset) -> tf.data.Dataset:
    """Converts batches of (position, index of the image) to `Batch`."""
    pixels, labels = tf.constant(images.pixels), tf.constant(images.labels)

    @tf.autograph.experimental.do_not_convert
    def gather(positions: tf.Tensor, indices: tf.Tensor) -> Batch:
        return tf.gather(pixels, indices), tf.gather(labels, indices), positions

    return rows.map(gather).prefetch(tf.data.AUTOTUNE)
