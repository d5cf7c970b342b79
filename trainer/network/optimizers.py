"""The optimizers and the schedules of their learning rate."""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from trainer.settings import COSINE, MOMENTUM, Settings

_MOMENTUM = 0.9
_BETA_2 = 0.99  # of AdamW: shorter than the usual 0.999, because a training has only a few thousand steps


class Momentum(keras.optimizers.SGD):
    """Keras's SGD with momentum, updated in one pass over the memory instead of four; the results are bit-identical.

    For the 48 million weights of the tutorial's dense layer, this takes half the time and needs no intermediate tensors
    of 193 MB.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates a variable and its momentum with TensorFlow's fused operation."""
        momentum = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle, accum=momentum.handle, lr=tf.cast(learning_rate, variable.dtype), grad=gradient,
            momentum=tf.constant(self.momentum, variable.dtype),
        )  # fmt: skip


class WarmupCosine(keras.optimizers.schedules.CosineDecay):
    """Keras's CosineDecay with a warm-up from 0, without a branch; the results are bit-identical.

    A GPU would wait for the host to choose the branch, for each variable in each step.
    """

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Returns the learning rate of the update after `step` updates, a float32 scalar."""
        target, warmup, falling = map(_unfolded, (self.warmup_target, self.warmup_steps, self.decay_steps))
        done = tf.minimum(tf.cast(step, tf.float32), falling + warmup)
        rising = target * (done / warmup)
        cosine = tf.cos(math.pi * ((done - warmup) / falling))
        return tf.where(done < warmup, rising, target * (0.5 * (1.0 + cosine)))


def _unfolded(number: float) -> tf.Tensor:
    """Returns a float32 scalar that TensorFlow does not treat as a constant.

    It would replace a division by a constant by a product with the reciprocal, which is rounded in another way.
    """
    return tf.raw_ops.PlaceholderWithDefault(input=tf.constant(number, tf.float32), shape=[])


def make_optimizer(model: keras.Model, settings: Settings) -> keras.Optimizer:
    """Returns the optimizer with its variables, which must exist before the first step under a strategy.

    It has a fixed name, because checkpoints contain the name, and Keras numbers unnamed optimizers within a process.
    AdamW (Loshchilov and Hutter 2019) does not decay biases.
    """
    optimizer: keras.Optimizer
    if settings.optimizer == MOMENTUM:
        optimizer = Momentum(_schedule(settings), momentum=_MOMENTUM, name="sgd")
    else:
        optimizer = keras.optimizers.AdamW(
            _schedule(settings), weight_decay=settings.weight_decay, beta_2=_BETA_2, name="adamw"
        )
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(model.trainable_variables)
    return optimizer


def set_learning_rate(optimizer: keras.Optimizer, settings: Settings) -> None:
    """Sets a constant learning rate after a checkpoint was restored, which contains that of the earlier run."""
    if settings.schedule != COSINE:
        optimizer.learning_rate = settings.learning_rate


def learning_rate_at(settings: Settings) -> Callable[[int], float]:
    """Returns the function from a step, counted from 1, to the learning rate of its update."""
    schedule = _schedule(settings)

    def rate(step: int) -> float:
        return schedule if isinstance(schedule, float) else float(schedule(step - 1))

    return rate


def _schedule(settings: Settings) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if settings.schedule != COSINE:
        return settings.learning_rate
    warmup = min(settings.warmup_steps, max(settings.training_steps - 1, 0))
    falling = max(settings.training_steps - warmup, 1)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(settings.learning_rate, falling)
    return WarmupCosine(0.0, falling, warmup_target=settings.learning_rate, warmup_steps=warmup)
