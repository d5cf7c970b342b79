"""A small residual network, without normalization layers, used by both trainers.

(N, 128, 95, 1) raw pixels, 0 to 65535
  -> (N, 128, 95, 3): standardized over the training set; standardized over the film; 1 inside the film
  -> conv 5x5x16, stride 2                                          (N, 64, 48, 16)
  -> conv 3x3x32, stride 2, and a residual block                    (N, 32, 24, 32)
  -> conv 3x3x64, stride 2, and a residual block                    (N, 16, 12, 64)
  -> conv 3x3x96, stride 2, and a residual block                    (N, 8, 6, 96)
  -> average and maximum over all places                            (N, 192)
  -> dropout -> dense                                               (N, categories) logits

After training, the logits of an image are the means of those of the image, of its mirror image and of the image upside
down, because a flip does not change the density.

A residual block (He et al. 2016, Identity mappings in deep residual networks) is the identity before training, because
its last convolution begins with zeros (Zhang et al. 2019, Fixup initialization). So the network can be trained without
batch normalization, and an image has the same logits in any batch and on any number of devices.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import layers, ops

from preprocess.contract.schema import PIXEL_MAX
from trainer.data.image_set import Statistics
from trainer.network.random_rows import DROPOUT, draw_rows
from trainer.settings import Settings

STEM = 16
"""Channels of the first convolution."""

STAGES = (32, 64, 96)
"""Channels of the stages; each halves height and width."""

TRUNK, FEATURES, LOGITS = "trunk", "features", "logits"
"""Names of the network of one image, of its layer before dropout, and of its last layer."""


def build(settings: Settings, statistics: Statistics, precision: str) -> keras.Model:
    """Builds the network. Its initial weights depend on the seed only.

    All layers have names, because saved models contain the names, and Keras numbers unnamed layers within a process.

    Args:
        statistics: of the training set; stored in the model as constants, so the model takes raw pixels.
        precision: "float32", or "bfloat16" for the arithmetic between the input channels and the features.

    Returns:
        A model from (N, H, W, 1) float32 to (N, categories) float32 logits.
    """
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    seeds = iter(range(8 * settings.seed, 8 * settings.seed + 8))

    def conv(x: keras.KerasTensor, channels: int, size: int, strides: int, name: str, zero: bool = False):
        initializer = "zeros" if zero else keras.initializers.HeNormal(next(seeds))
        return layers.Conv2D(
            channels, size, strides, padding="same", kernel_initializer=initializer, dtype=policy, name=name
        )(x)

    def relu(x: keras.KerasTensor, name: str, dtype: keras.DTypePolicy | str = policy):
        return layers.ReLU(dtype=dtype, name=f"{name}_relu")(x)

    inputs = keras.Input((*settings.size, 1), dtype="float32", name="pixels")
    x = conv(_input_channels(inputs, statistics), STEM, 5, 2, "stem")
    for number, channels in enumerate(STAGES, 1):
        name = f"stage{number}"
        x = conv(relu(x, name), channels, 3, 2, f"{name}_down")
        y = conv(relu(x, f"{name}_1"), channels, 3, 1, f"{name}_conv1")
        y = conv(relu(y, f"{name}_2"), channels, 3, 1, f"{name}_conv2", zero=True)
        x = layers.Add(dtype=policy, name=f"{name}_sum")([x, y])
    x = relu(x, "last", "float32")
    average = layers.GlobalAveragePooling2D(dtype="float32", name="average_of_places")(x)
    maximum = layers.GlobalMaxPooling2D(dtype="float32", name="maximum_of_places")(x)
    x = layers.Concatenate(dtype="float32", name=FEATURES)([average, maximum])
    logits = layers.Dense(settings.categories, kernel_initializer="zeros", dtype="float32", name=LOGITS)(x)
    trunk = keras.Model(inputs, logits, name=TRUNK)
    flipped = [trunk(inputs), trunk(ops.flip(inputs, axis=2)), trunk(ops.flip(inputs, axis=1))]
    return keras.Model(inputs, layers.Average(dtype="float32", name="mean_of_flips")(flipped), name="density")


def _input_channels(pixels: keras.KerasTensor, statistics: Statistics) -> keras.KerasTensor:
    """Returns the three input channels of (N, H, W, 1) raw pixels: (N, H, W, 3) float32.

    The film is the part above 0: the canvas around it is black. Standardizing over the film removes its exposure and
    contrast; standardizing over the training set keeps them.
    """
    scaled = pixels / PIXEL_MAX
    film = ops.cast(pixels > 0, "float32")
    area = ops.maximum(ops.sum(film, (1, 2, 3), keepdims=True), 1.0)
    mean = ops.sum(scaled, (1, 2, 3), keepdims=True) / area
    variance = ops.sum(film * ops.square(scaled - mean), (1, 2, 3), keepdims=True) / area
    by_film = film * (scaled - mean) / ops.sqrt(variance + 1e-6)
    by_set = (pixels - statistics.mean) / max(statistics.variance, 1.0) ** 0.5
    return ops.concatenate([by_set, by_film, film], axis=-1)


def training_logits(model: keras.Model, settings: Settings) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns the function that computes the logits in training, with dropout.

    See `networks.TrainingLogits`.
    """
    trunk = model.get_layer(TRUNK)
    features = keras.Model(trunk.inputs, trunk.get_layer(FEATURES).output)
    logits_of = trunk.get_layer(LOGITS)

    def logits(pixels: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        found = features(pixels, training=True)
        if settings.dropout:
            drawn = draw_rows(settings.seed, DROPOUT, positions, settings.batch_size, found.shape[1])
            found = found * tf.cast(drawn >= settings.dropout, found.dtype) / (1.0 - settings.dropout)
        return logits_of(found)

    return logits
