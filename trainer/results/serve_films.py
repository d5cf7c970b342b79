"""The signature `serve_films` of a SavedModel: from the pixels of a whole film to its probabilities.

It pads and resizes the film as the job does (`preprocess.images.resize`), to the same pixels. The area mean is exact in
float64: a pixel counts as h x w units and an output pixel as H x W units, so all products and sums are whole numbers of
at most 65,535 H W, which is below 2^53 for canvases of up to 370,000 x 370,000 pixels.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from preprocess.contract.schema import Size

AREA, NEAREST = "area", "nearest"


def make_serve_films(model: keras.Model, canvas: Size, size: Size, method: str) -> Callable[[tf.Tensor], dict]:
    """Returns the function of the signature.

    It takes `film`, (H, W) uint16, raw values from 0 to 65535 of one film that is at most as large as the canvas, and
    returns `classes`, (1,) int64, and `probabilities`, (1, categories) float32. A larger film is an
    `InvalidArgumentError`.

    Args:
        model: from (N, h, w, 1) float32 raw pixels to probabilities.
        canvas: (H, W) of the canvas of the training set, in pixels.
        size: (h, w) of the images.
        method: "area" or "nearest", how the images were resized.
    """
    resize = {AREA: _area, NEAREST: _nearest}[method](canvas, size)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None], tf.uint16, name="film")])
    def serve_films(film: tf.Tensor) -> dict[str, tf.Tensor]:
        message = f"the film is larger than the canvas, {canvas[0]} pixels high and {canvas[1]} wide"
        with tf.control_dependencies([tf.debugging.assert_less_equal(tf.shape(film), tf.constant(canvas), message)]):
            pixels = resize(film)
        found = model(tf.cast(tf.reshape(pixels, (1, *size, 1)), tf.float32), training=False)
        return {"classes": tf.argmax(found, axis=1), "probabilities": found}

    return serve_films


def _area(canvas: Size, size: Size) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from a film to the mean of each rectangle of the canvas, (h, w) int64, halves rounded up."""
    units = canvas[0] * canvas[1]

    def overlaps(length: int, out: int, film: tf.Tensor) -> tf.Tensor:
        """Returns how many units of each of `film` pixels are in each interval of an axis: (out, film) float64."""
        edges = tf.range(out + 1, dtype=tf.int64)[:, None] * length
        pixels = tf.range(tf.cast(film, tf.int64))[None] * out
        inside = tf.minimum(edges[1:], pixels + out) - tf.maximum(edges[:-1], pixels)
        return tf.cast(tf.maximum(inside, 0), tf.float64)

    def resize(film: tf.Tensor) -> tf.Tensor:
        rows, columns = (overlaps(canvas[axis], size[axis], tf.shape(film)[axis]) for axis in (0, 1))
        sums = tf.cast(rows @ tf.cast(film, tf.float64) @ tf.transpose(columns), tf.int64)
        return (2 * sums + units) // (2 * units)

    return resize


def _nearest(canvas: Size, size: Size) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from a film to the pixels that Pillow's NEAREST takes from the canvas, (h, w) int32."""
    lines = [Image.fromarray(np.arange(length, dtype=np.uint16)[None]) for length in canvas]
    taken = [line.resize((out, 1), Image.Resampling.NEAREST) for line, out in zip(lines, size, strict=True)]
    rows, columns = (np.asarray(line)[0].astype(np.int32) for line in taken)

    def resize(film: tf.Tensor) -> tf.Tensor:
        height, width = tf.unstack(tf.shape(film))
        inside = (rows < height)[:, None] & (columns < width)[None]
        found = tf.gather(tf.gather(film, tf.minimum(rows, height - 1)), tf.minimum(columns, width - 1), axis=1)
        return tf.where(inside, tf.cast(found, tf.int32), 0)

    return resize
