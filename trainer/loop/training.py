"""The training loop: several steps in one call, with any distribution strategy, with or without XLA.

`model.fit` is not used, because it fails on several logical CPU devices if a call runs several steps (Keras issue
19246), and because its shuffling and dropout cannot be resumed at the step at which a run was killed.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from preprocess.runtime.errors import RunFailed
from trainer.data.batches import training_batches
from trainer.data.image_set import ImageSet, class_weights
from trainer.network.augmentation import augment
from trainer.network.losses import LOSSES
from trainer.network.networks import NETWORKS
from trainer.runtime.devices import CPU, Devices
from trainer.settings import BALANCED, NONE, Settings

CALL_SECONDS = 2.0  # longest duration of a call, approximately; signals are handled between calls


@dataclass(frozen=True)
class Steps:
    """The results of one call of the loop.

    Attributes:
        last: the number of the last step, counted from 1.
        losses, accuracies: (k,) float32, one value for each step, computed before its update and with dropout.
        seconds: the duration of the call.
    """

    last: int
    losses: np.ndarray
    accuracies: np.ndarray
    seconds: float


class Training:
    """Trains a model from a given step on.

    Args:
        model, optimizer: created in the scope of the strategy.
        images: the training set.
        first_step: number of steps for which the model is trained already.

    Attributes:
        step: number of steps for which the model is trained now.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        images: ImageSet,
        settings: Settings,
        devices: Devices,
        first_step: int,
    ):
        self.step = first_step
        self._settings, self._devices = settings, devices
        self._batches = iter(
            devices.strategy.distribute_datasets_from_function(
                lambda context: training_batches(images, settings.batch_size, settings.seed, first_step, context)
            )
        )
        weights = class_weights(images.counts, settings.class_weights == BALANCED)
        self._loop = _make_loop(model, optimizer, weights, settings, devices)
        self._step_seconds = CALL_SECONDS  # the first estimate, which allows one step in a call

    def run(self, until: int, stops: Sequence[int] = ()) -> Iterator[Steps]:
        """Trains up to step `until` and yields the results of each call of the loop.

        Args:
            stops: numbers of steps; a call ends at every step that is a multiple of one of them.

        Raises:
            RunFailed: a loss is not finite.
        """
        traced = False
        while self.step < until:
            affordable = max(1, int(CALL_SECONDS / self._devices.max_over_workers(self._step_seconds)))
            due = min(stop - self.step % stop for stop in (*stops, until + 1))
            count = min(self._settings.iterations, affordable, due, until - self.step)
            begin = time.monotonic()
            losses, accuracies = (values.numpy() for values in self._loop(self._batches, tf.constant(count)))
            seconds = time.monotonic() - begin
            self._check(losses)
            self.step += count
            if traced:  # the duration of the first call includes tracing and compilation
                self._step_seconds = seconds / count
            traced = True
            yield Steps(self.step, losses, accuracies, seconds)

    def _check(self, losses: np.ndarray) -> None:
        """Checks that the losses of a call are finite.

        Raises:
            RunFailed: one is not.
        """
        for number, loss in enumerate(losses, self.step + 1):
            if not math.isfinite(loss):
                raise RunFailed(
                    f"the loss of step {number} is {loss}; train again in another --model_dir with a smaller "
                    f"--learning_rate than {self._settings.learning_rate:g}"
                )


def _make_loop(
    model: keras.Model, optimizer: keras.Optimizer, weights: Sequence[float], settings: Settings, devices: Devices
) -> Callable[[Iterator, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the loop: a function of the batches and a number of steps k that runs the steps.

    It returns the losses and accuracies, each (k,) float32.

    Args:
        weights: the factor of the loss for each category.
    """
    logits_of = NETWORKS[settings.network].training_logits(model, settings)
    losses_of = LOSSES[settings.loss]
    batch_size, variables = settings.batch_size, model.trainable_variables

    def loss_and_gradients(pixels: tf.Tensor, labels: tf.Tensor, positions: tf.Tensor):
        images = tf.cast(pixels, tf.float32)
        if settings.augmentation != NONE:
            images = augment(images, settings.seed, positions, batch_size)
        with tf.GradientTape() as tape:
            logits = logits_of(images, positions)
            losses = tf.add_n([losses_of(labels, found) for found in logits])  # so each network learns from its own
            loss = tf.reduce_sum(losses * tf.gather(tf.constant(weights), labels)) / batch_size
        hits = tf.equal(tf.argmax(tf.add_n(logits), axis=1), labels)
        return loss / len(logits), tf.reduce_sum(tf.cast(hits, tf.float32)) / batch_size, tape.gradient(loss, variables)

    if devices.compiled:
        loss_and_gradients = tf.function(loss_and_gradients, jit_compile=True)

    @tf.autograph.experimental.do_not_convert  # AutoGraph finds nothing to convert, and takes half of the tracing time
    def replica_step(pixels: tf.Tensor, labels: tf.Tensor, positions: tf.Tensor):
        loss, accuracy, gradients = loss_and_gradients(pixels, labels, positions)
        if devices.kind == CPU:
            # Wait for all gradients: updating a variable while one is read makes TensorFlow copy the 193 MB kernel.
            # A GPU runs its operations one after the other, and could not begin to sum gradients before the last one.
            gradients = tf.tuple(gradients)
        optimizer.apply(gradients, variables)  # also sums the gradients of all replicas
        return loss, accuracy

    @tf.function
    def loop(batches: Iterator, count: tf.Tensor):
        losses, accuracies = tf.TensorArray(tf.float32, count), tf.TensorArray(tf.float32, count)
        for number in tf.range(count):
            loss, accuracy = devices.strategy.run(replica_step, args=next(batches))
            losses = losses.write(number, devices.strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None))
            accuracies = accuracies.write(
                number, devices.strategy.reduce(tf.distribute.ReduceOp.SUM, accuracy, axis=None)
            )
        return losses.stack(), accuracies.stack()

    return loop
