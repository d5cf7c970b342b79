"""Predicts the density category of each image of a set exactly once; `metrics` evaluates the predictions."""

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
    """The outputs of a model for N images, in the order of the set.

    Attributes:
        logits, probabilities: (N, categories) float32.
    """

    logits: np.ndarray
    probabilities: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64, the most probable label; the lowest of several with equal logits."""
        return self.logits.argmax(axis=1)

    @classmethod
    def of(cls, logits: np.ndarray, temperature: float = 1.0) -> "Predictions":
        """Returns the predictions for logits, which are divided by a temperature (Guo et al. 2017)."""
        scaled = logits if temperature == 1.0 else logits * np.float32(1.0 / temperature)
        return cls(scaled, tf.nn.softmax(scaled).numpy())


class Predictor:
    """Predicts sets of images with one model; the computation is traced once.

    The last batch is padded to the full size, so all shapes are static, and the outputs of the padding are dropped by
    their position. So every image is predicted exactly once, for any batch size and number of replicas.

    Args:
        model: from raw pixels to logits, created in the scope of the strategy.
        batch_size: images in a step, over all replicas; a multiple of the number of replicas.
    """

    def __init__(self, model: keras.Model, batch_size: int, devices: Devices):
        self._batch_size, self._devices = batch_size, devices

        def infer(pixels: tf.Tensor) -> tf.Tensor:
            return model(tf.cast(pixels, tf.float32), training=False)

        if devices.compiled:
            infer = tf.function(infer, jit_compile=True)

        def infer_with_positions(pixels: tf.Tensor, labels: tf.Tensor, positions: tf.Tensor):
            del labels
            return infer(pixels), positions

        @tf.function(autograph=False)
        def step(batch):
            return devices.strategy.run(infer_with_positions, args=batch)

        self._step = step

    def predict(self, images: ImageSet, check_stop: Callable[[], None], log: Log | None = None) -> np.ndarray:
        """Returns the logits of all images: (N, categories) float32.

        Args:
            check_stop: called after each batch; its exceptions are passed on.
            log: shows the progress, if given.
        """
        strategy, size = self._devices.strategy, self._batch_size
        batches = strategy.distribute_datasets_from_function(lambda context: evaluation_batches(images, size, context))
        if log:
            batches = log.track(batches, -(-len(images) // size), "evaluating")
        logits = np.full((len(images), images.categories), np.nan, np.float32)
        for batch in batches:
            found, positions = (strategy.gather(values, axis=0).numpy() for values in self._step(batch))
            is_image = positions < len(images)  # the others are padding
            logits[positions[is_image]] = found[is_image]
            check_stop()
        return logits
