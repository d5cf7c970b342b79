"""The optimizer of the tutorial: stochastic gradient descent with momentum."""

import keras
import tensorflow as tf

MOMENTUM = 0.9


class Momentum(keras.optimizers.SGD):
    """Keras's SGD with momentum, updated in one pass over the memory instead of four; the results are bit-identical.

    For the 48 million weights of the dense layer, this takes half the time and needs no intermediate tensors of 193 MB.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates a variable and its momentum with TensorFlow's fused operation."""
        momentum = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle, accum=momentum.handle, lr=tf.cast(learning_rate, variable.dtype), grad=gradient,
            momentum=tf.constant(self.momentum, variable.dtype),
        )  # fmt: skip


def make_optimizer(model: keras.Model, learning_rate: float) -> keras.Optimizer:
    """Returns the optimizer with its variables, which must exist before the first step under a strategy.

    It has a fixed name, because checkpoints contain the name, and Keras numbers unnamed optimizers within a process.
    """
    optimizer = Momentum(learning_rate, momentum=MOMENTUM, name="sgd")
    optimizer.build(model.trainable_variables)
    return optimizer
