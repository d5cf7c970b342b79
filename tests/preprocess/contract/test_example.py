"""Compares the bytes of PNG files and tf.train.Example with Pillow and TensorFlow."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from preprocess.contract.example import LabelledImage, decode_example, encode_example
from preprocess.contract.png import decode_png, encode_png
from tests.support.films import random_film


@pytest.mark.parametrize("size", [(128, 95), (1, 1), (300, 250), (181, 181)])
def test_png_files_are_read_by_pillow_and_tensorflow(size):
    pixels = random_film(1, *size)
    data = encode_png(pixels)
    image = Image.open(io.BytesIO(data))
    image.verify()
    image = Image.open(io.BytesIO(data))
    assert (image.mode, image.size) == ("I;16", size[::-1])
    np.testing.assert_array_equal(np.asarray(image), pixels)
    np.testing.assert_array_equal(tf.io.decode_png(data, dtype=tf.uint16).numpy()[..., 0], pixels)
    np.testing.assert_array_equal(decode_png(data), pixels)


def test_other_pngs_are_not_decoded():
    data = io.BytesIO()
    Image.new("L", (3, 2)).save(data, format="PNG")
    with pytest.raises(ValueError, match="a PNG of mode L; expected 16-bit gray"):
        decode_png(data.getvalue())


def test_examples_have_the_same_bytes_as_tensorflows():
    pixels = random_film(2, 128, 95)
    data = encode_example(LabelledImage("3_Calc-Test_P_00038_LEFT_CC", 2, pixels))
    ints = lambda *values: tf.train.Feature(int64_list=tf.train.Int64List(value=values))  # noqa: E731
    bytes_ = lambda value: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))  # noqa: E731
    expected = tf.train.Example(
        features=tf.train.Features(
            feature={
                "label": ints(2),
                "image": bytes_(pixels.astype("<f4").tobytes()),
                "name": bytes_(b"3_Calc-Test_P_00038_LEFT_CC"),
                "height": ints(128),
                "width": ints(95),
            }
        )
    )
    assert data == expected.SerializeToString(deterministic=True)


def test_examples_are_decoded_to_what_was_encoded():
    image = LabelledImage("1_x", 0, random_film(3))
    again = decode_example(encode_example(image))
    assert (again.name, again.label) == ("1_x", 0)
    np.testing.assert_array_equal(again.pixels, image.pixels)
    assert again.pixels.dtype == np.uint16
