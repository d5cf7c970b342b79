"""In which order the images are seen: a function of the seed and the step alone.

Training sees an endless stream: epoch after epoch, each a permutation of the whole set. Step s takes the positions
s * batch_size to (s + 1) * batch_size - 1 of it, wherever the run began and on however many replicas.
"""

import tensorflow as tf

from trainer.data.image_set import ImageSet

Batch = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""(b, H, W, 1) uint16 pixels, (b,) int64 labels, (b,) int64 positions in the stream or the set."""


@tf.autograph.experimental.do_not_convert  # as in `training`: looking for what there is to convert takes time
def epoch_order(count: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """The permutation of 0 .. count - 1 of one epoch: (count,) int64."""
    keys = tf.random.stateless_uniform(
        (count,), seed=tf.stack([tf.constant(2 * seed, tf.int64), epoch]), minval=None, maxval=None, dtype=tf.int64,
        alg="philox",
    )  # fmt: skip
    return tf.argsort(keys, stable=True)


def training_rows(count: int, seed: int, first: int) -> tf.data.Dataset:
    """(position, index of the image) of the endless stream, from position `first` on."""
    epoch, skipped = divmod(first, count)
    epochs = tf.data.Dataset.range(epoch, tf.int64.max)
    rows = epochs.flat_map(lambda number: tf.data.Dataset.from_tensor_slices(epoch_order(count, seed, number)))
    return rows.skip(skipped).enumerate(start=first)


def training_batches(
    images: ImageSet, batch_size: int, seed: int, first_step: int, context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Batches for one replica each, in the order of the replicas, step after step.

    Args:
        batch_size: images a step, over all replicas; a multiple of their number.
        first_step: where the stream is taken up.
        context: of a strategy; without it there is one replica.
    """
    replicas = context.num_replicas_in_sync if context else 1
    rows = training_rows(len(images), seed, first_step * batch_size)
    return _batches(images, _of_this_worker(rows.batch(batch_size // replicas, drop_remainder=True), context))


def evaluation_batches(
    images: ImageSet, batch_size: int, context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Every image once, in its order; the last step is filled up, with positions from `len(images)` on."""
    replicas = context.num_replicas_in_sync if context else 1
    padded = -(-len(images) // batch_size) * batch_size
    rows = tf.data.Dataset.range(padded).map(lambda position: (position, tf.minimum(position, len(images) - 1)))
    return _batches(images, _of_this_worker(rows.batch(batch_size // replicas, drop_remainder=True), context))


def _of_this_worker(batches: tf.data.Dataset, context: tf.distribute.InputContext | None) -> tf.data.Dataset:
    """Of several workers, each takes the batches of its own replicas."""
    if context is None or context.num_input_pipelines == 1:
        return batches
    here = context.num_replicas_in_sync // context.num_input_pipelines
    numbered = batches.enumerate().filter(
        lambda number, _: number % context.num_replicas_in_sync // here == context.input_pipeline_id
    )
    return numbered.map(lambda _, batch: batch)


def _batches(images: ImageSet, rows: tf.data.Dataset) -> tf.data.Dataset:
    pixels, labels = tf.constant(images.pixels), tf.constant(images.labels)

    @tf.autograph.experimental.do_not_convert
    def gather(positions: tf.Tensor, indices: tf.Tensor) -> Batch:
        return tf.gather(pixels, indices), tf.gather(labels, indices), positions

    return rows.map(gather).prefetch(tf.data.AUTOTUNE)
