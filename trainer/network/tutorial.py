"""The six-layer network of the tutorial of 2018, used by both trainers.

(N, H, W, 1) raw pixels, 0 to 65535
  -> normalized with the mean and variance of the training set
  -> conv 5x5x32 -> max-pool 2 -> conv 5x5x64 -> max-pool 2 -> dense 1024 -> dropout -> (N, categories) logits
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from trainer.data.image_set import Statistics
from trainer.network.random_rows import DROPOUT, draw_integers
from trainer.settings import Settings

UNITS = 1024
"""Units of the dense layer; also the width of a dropout mask."""

HIDDEN, LOGITS = "hidden", "logits"
"""Names of the dense layer and of the last layer."""


def build_model(
    size: tuple[int, int],
    channels: int,
    categories: int,
    statistics: Statistics,
    dropout: float,
    seed: int,
    precision: str,
) -> keras.Model:
    """Builds the network. Its initial weights depend on the seed only.

    Args:
        size: (height, width) of the images.
        channels: of the images.
        categories: number of density categories.
        statistics: of the training set; stored in the model as constants, so the model takes raw pixels.
        dropout: the share of the dense layer's units that are dropped in training.
        seed: of the initial weights; layer i has the seed 4 * seed + i.
        precision: "float32", or "bfloat16" for the arithmetic between the normalization and the logits.

    Returns:
        A model from (N, H, W, channels) float32 to (N, categories) float32 logits. Its dropout layer only
        documents the architecture: `training_logits` applies the mask of `keep_mask` instead.
    """
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    layers = keras.layers

    def weights(number: int) -> keras.Initializer:
        return keras.initializers.GlorotUniform(seed=4 * seed + number)

    inputs = keras.Input((*size, channels), dtype="float32", name="pixels")
    x = layers.Normalization(
        axis=None, mean=statistics.mean, variance=statistics.variance, dtype="float32", name="normalization"
    )(inputs)
    x = layers.Conv2D(
        32, 5, padding="same", activation="relu", kernel_initializer=weights(0), dtype=policy, name="conv1"
    )(x)
    x = layers.MaxPooling2D(2, dtype=policy, name="pool1")(x)
    x = layers.Conv2D(
        64, 5, padding="same", activation="relu", kernel_initializer=weights(1), dtype=policy, name="conv2"
    )(x)
    x = layers.MaxPooling2D(2, dtype=policy, name="pool2")(x)
    x = layers.Flatten(dtype=policy, name="flatten")(x)
    x = layers.Dense(UNITS, activation="relu", kernel_initializer=weights(2), dtype=policy, name=HIDDEN)(x)
    x = layers.Dropout(dropout, dtype=policy, name="dropout")(x)
    logits = layers.Dense(categories, kernel_initializer=weights(3), dtype="float32", name=LOGITS)(x)
    return keras.Model(inputs, logits, name="density")


def build(settings: Settings, statistics: Statistics, precision: str) -> keras.Model:
    """Builds the network with the settings of a training, see `build_model`."""
    return build_model(
        settings.size, settings.channels, settings.categories, statistics, settings.dropout, settings.seed, precision
    )


def training_logits(model: keras.Model, settings: Settings) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
    """Returns the function that computes the logits in training, with dropout.

    See `networks.TrainingLogits`.
    """
    hidden = keras.Model(model.inputs, model.get_layer(HIDDEN).output)
    logits_of = model.get_layer(LOGITS)

    def logits(pixels: tf.Tensor, positions: tf.Tensor) -> list[tf.Tensor]:
        mask = keep_mask(settings.seed, positions, settings.batch_size, settings.dropout)
        units = hidden(pixels, training=True)
        return [logits_of(units * tf.cast(mask, units.dtype))]

    return logits


def keep_mask(seed: int, positions: tf.Tensor, batch_size: int, dropout: float) -> tf.Tensor:
    """Returns the dropout mask of the dense layer. It depends on the seed, the step and the row in the batch only.

    Args:
        seed: of the mask.
        positions: (b,) int64, positions in the stream of training images; all of one step.
        batch_size: images in a step, over all replicas.
        dropout: the share of dropped units; rounded down to a multiple of 2^-32.

    Returns:
        (b, UNITS) float32: 0 for a dropped unit, otherwise 1 / (1 - dropout).
    """
    drawn = draw_integers(seed, DROPOUT, positions, batch_size, UNITS)
    keep = drawn >= tf.constant(int(dropout * 2**32), tf.uint32)
    return tf.cast(keep, tf.float32) / (1.0 - dropout)
