"""Draws training images beside their augmented versions, for TensorBoard."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from trainer.data.image_set import ImageSet
from trainer.network.augmentation import augment
from trainer.settings import Settings

IMAGES, VERSIONS = 8, 4
_MARGIN = 2  # pixels between two images


def draw_augmentation(images: ImageSet, settings: Settings) -> bytes:
    """Returns a PNG: a column for each of up to 8 images, the original at the top, 4 augmented versions below it.

    The images are evenly spaced in the set. The versions are those of rows 0 to 7 in the first four steps.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, min(IMAGES, settings.batch_size)).astype(int))
    pixels = images.pixels[chosen].astype(np.float32)
    rows = [pixels]
    for step in range(VERSIONS):
        positions = tf.range(len(chosen), dtype=tf.int64) + step * settings.batch_size
        rows.append(augment(tf.constant(pixels), settings.seed, positions, settings.batch_size).numpy())
    framed = np.pad(np.stack(rows)[..., 0], ((0, 0), (0, 0), (0, _MARGIN), (0, _MARGIN)), constant_values=65535)
    sheet = framed.transpose(0, 2, 1, 3).reshape(framed.shape[0] * framed.shape[2], -1)
    stream = io.BytesIO()
    Image.fromarray((sheet / 257).astype(np.uint8)).save(stream, format="PNG")
    return stream.getvalue()
