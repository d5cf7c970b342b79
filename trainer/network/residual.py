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

With `--seeds N`, the model consists of N such networks with different initial weights, which are trained on the same
batches, each with its own loss. Their logits are averaged, too.

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

FEATURES, LOGITS = "features", "logits"
"""Names of the layer of a network before dropout, and of its last layer."""


def build(settings: Settings, statistics: Statistics, precision: str) -> keras.Model:
    """Builds the model: `settings.seeds` networks and the mean of their logits over the flips of an image.

    The initial weights depend on the seeds only: network k of the model has the seed `settings.seed` + k.

    Args:
        statistics: of the training set; stored in the model as constants, so the model takes raw pixels.
        precision: "float32", or "bfloat16" for the arithmetic between the input channels and the features.

    Returns:
        A model from (N, H, W, 1) float32 to (N, categories) float32 logits.
    """
    inputs = keras.Input((*settings.size, 1), dtype="float32", name="pixels")
    images = [inputs, ops.flip(inputs, axis=2), ops.flip(inputs, axis=1)]
    networks = [
        _build_one(settings, statistics, precision, settings.seed + number, name)
        for number, name in enumerate(_names(settings))
    ]
    logits = [network(image) for network in networks for image in images]
    return keras.Model(inputs, layers.Average(dtype="float32", name="mean_of_flips")(logits), name="density")


def _names(settings: Settings) -> list[str]:
    """Returns the names of the networks in a model."""
    return ["trunk", *(f"trunk_{number}" for number in range(2, settings.seeds + 1))]


def _build_one(settings: Settings, statistics: Statistics, precision: str, seed: int, name: str) -> keras.Model:
    """Builds one network.

    All layers have names, because saved models contain the names, and Keras numbers unnamed layers within a process.
    """
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    seeds = iter(range(8 * seed, 8 * seed + 8))

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
        stage = f"stage{number}"
        x = conv(relu(x, stage), channels, 3, 2, f"{stage}_down")
        y = conv(relu(x, f"{stage}_1"), channels, 3, 1, f"{stage}_conv1")
        y = conv(relu(y, f"{stage}_2"), channels, 3, 1, f"{stage}_conv2", zero=True)
        x = layers.Add(dtype=policy, name=f"{stage}_sum")([x, y])
    x = relu(x, "last", "float32")
    average = layers.GlobalAveragePooling2D(dtype="float32", name="average_of_places")(x)
    maximum = layers.GlobalMaxPooling2D(dtype="float32", name="maximum_of_places")(x)
    x = layers.Concatenate(dtype="float32", name=FEATURES)([average, maximum])
    logits = layers.Dense(settings.categories, kernel_initializer="zeros", dtype="float32", name=LOGITS)(x)
    return keras.Model(inputs, logits, name=name)


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


def training_logits(model: keras.Model, settings: Settings) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
    """Returns the function that computes the logits in training, with dropout.

    See `networks.TrainingLogits`.
    """
    networks = [model.get_layer(name) for name in _names(settings)]
    features = [keras.Model(network.inputs, network.get_layer(FEATURES).output) for network in networks]
    last = [network.get_layer(LOGITS) for network in networks]

    def logits(pixels: tf.Tensor, positions: tf.Tensor) -> list[tf.Tensor]:
        found = [features_of(pixels, training=True) for features_of in features]
        if settings.dropout:
            units = found[0].shape[1]
            drawn = draw_rows(settings.seed, DROPOUT, positions, settings.batch_size, units * len(found))
            masks = tf.split(tf.cast(drawn >= settings.dropout, tf.float32), len(found), axis=1)
            found = [values * mask / (1.0 - settings.dropout) for values, mask in zip(found, masks, strict=True)]
        return [logits_of(values) for logits_of, values in zip(last, found, strict=True)]

    return logits
