"""What a model says of every image of a set, each exactly once, and how right it is."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from preprocess.runtime.log import Log
from trainer.data.batches import evaluation_batches
from trainer.data.image_set import ImageSet
from trainer.runtime.devices import Devices


@dataclass(frozen=True)
class Predictions:
    """The outputs of a model for N images, in their order.

    Attributes:
        logits, probabilities: (N, categories) float32.
    """

    logits: np.ndarray
    probabilities: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64, the most probable label; of equals the first."""
        return self.logits.argmax(axis=1)


def predict(
    model: keras.Model, images: ImageSet, batch_size: int, devices: Devices, log: Log, check_stop: Callable[[], None]
) -> Predictions:
    """Asks the model about every image.

    The last batch is filled up to the full size, so that all shapes are static, and what comes of the filling is
    dropped by its position: exact for any batch size and number of replicas.

    Args:
        check_stop: called between batches; it may raise.
    """

    def infer(pixels: tf.Tensor) -> tf.Tensor:
        return model(tf.cast(pixels, tf.float32), training=False)

    if devices.compiled:
        infer = tf.function(infer, jit_compile=True)

    def ask(pixels: tf.Tensor, labels: tf.Tensor, positions: tf.Tensor):
        del labels
        return infer(pixels), positions

    @tf.function(autograph=False)
    def step(batch):
        return devices.strategy.run(ask, args=batch)

    batches = devices.strategy.distribute_datasets_from_function(
        lambda context: evaluation_batches(images, batch_size, context)
    )
    logits = np.full((len(images), images.categories), np.nan, np.float32)
    for batch in log.track(batches, -(-len(images) // batch_size), "evaluating"):
        found, positions = (devices.strategy.gather(values, axis=0).numpy() for values in step(batch))
        real = positions < len(images)
        logits[positions[real]] = found[real]
        check_stop()
    return Predictions(logits, tf.nn.softmax(logits).numpy())
