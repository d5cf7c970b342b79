"""Compares the resize with exact fractions, with a float64 computation and with Pillow."""

import itertools
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import RLELossless

from preprocess.images.resize import pad_and_resize
from preprocess.runtime.errors import RejectedFilm
from tests import ROOT
from tests.support.films import area_reference, nearest_reference, random_film, write_dicom, write_image

CASES = [  # film, canvas, size
    ((90, 70), (90, 70), (128, 95)),
    ((300, 211), (333, 250), (128, 95)),
    ((127, 95), (128, 95), (128, 95)),
    ((256, 190), (256, 190), (128, 95)),
    ((500, 400), (501, 401), (7, 9)),
    ((1, 1), (1, 1), (128, 95)),
    ((3, 2), (700, 500), (128, 95)),
    ((700, 500), (711, 543), (1, 1)),
    ((131, 97), (977, 683), (64, 48)),
]


class Film:
    """An array as a film. It checks that rows are read from top to bottom."""

    def __init__(self, pixels):
        self.pixels, self.last = pixels, 0
        self.height, self.width = pixels.shape

    def read_rows(self, start, stop):
        assert 0 <= self.last <= start < stop <= self.height
        self.last = start
        return self.pixels[start:stop]


def exact_area(pixels, canvas, size):
    """Computes each output pixel with `Fraction`, as the exact mean of its rectangle; halves are rounded up."""
    result = np.zeros(size, np.uint16)
    for y, x in itertools.product(range(size[0]), range(size[1])):
        top, bottom = Fraction(y * canvas[0], size[0]), Fraction((y + 1) * canvas[0], size[0])
        left, right = Fraction(x * canvas[1], size[1]), Fraction((x + 1) * canvas[1], size[1])
        total = Fraction(0)
        for i, j in itertools.product(range(int(top), -(-bottom // 1)), range(int(left), -(-right // 1))):
            if i < pixels.shape[0] and j < pixels.shape[1]:
                inside = (min(bottom, i + 1) - max(top, i)) * (min(right, j + 1) - max(left, j))
                total += inside * int(pixels[i, j])
        result[y, x] = int(total / ((bottom - top) * (right - left)) + Fraction(1, 2))
    return result


@pytest.mark.parametrize(("film", "canvas", "size"), CASES)
def test_area_is_within_half_of_a_float64_computation(film, canvas, size):
    pixels = random_film(sum(film), *film)
    result = pad_and_resize(Film(pixels), canvas, size, "area")
    assert result.dtype == np.uint16
    assert np.abs(result - area_reference(pixels, canvas, size)).max() <= 0.5 + 1e-7


@pytest.mark.parametrize(("film", "canvas", "size"), [((9, 7), (9, 7), (4, 3)), ((5, 8), (11, 13), (6, 5)),
                                                      ((4, 4), (4, 4), (2, 2)), ((3, 2), (3, 2), (8, 5))])  # fmt: skip
def test_area_is_exact(film, canvas, size):
    for seed in range(20):
        pixels = random_film(seed, *film)
        result = pad_and_resize(Film(pixels), canvas, size, "area")
        np.testing.assert_array_equal(result, exact_area(pixels, canvas, size))


def test_a_half_is_rounded_up():
    pixels = np.array([[0, 1], [0, 1]], np.uint16)
    assert pad_and_resize(Film(pixels), (2, 2), (1, 1), "area").tolist() == [[1]]


def test_the_brightest_film_of_the_largest_size_does_not_overflow():
    class White:
        height, width = 65535, 60

        def read_rows(self, start, stop):
            return np.full((stop - start, self.width), 65535, np.uint16)

    result = pad_and_resize(White(), (65535, 60), (1, 3), "area")
    assert (result == 65535).all()


@pytest.mark.parametrize(("film", "canvas", "size"), CASES)
def test_nearest_is_the_same_as_pillows(film, canvas, size):
    pixels = random_film(sum(film), *film)
    result = pad_and_resize(Film(pixels), canvas, size, "nearest")
    np.testing.assert_array_equal(result, nearest_reference(pixels, canvas, size))


def test_nearest_is_the_same_as_pillows_on_the_canvas_of_the_tutorial():
    pixels = random_film(1, 4656, 2968)
    result = pad_and_resize(Film(pixels), (7111, 5251), (128, 95), "nearest")
    np.testing.assert_array_equal(result, nearest_reference(pixels, (7111, 5251), (128, 95)))


def test_area_at_real_size():
    pixels = random_film(2, 4656, 2968)
    result = pad_and_resize(Film(pixels), (7111, 5251), (128, 95), "area")
    assert np.abs(result - area_reference(pixels, (7111, 5251), (128, 95))).max() <= 0.5 + 1e-7


@pytest.mark.parametrize("film", [(11, 10), (10, 11)])
@pytest.mark.parametrize("method", ["area", "nearest"])
def test_a_film_larger_than_the_canvas_is_refused(film, method):
    with pytest.raises(
        RejectedFilm, match=r"the film is 1\d pixels high and 1\d wide; the canvas is only 10 high and 10 wide"
    ):
        pad_and_resize(Film(random_film(0, *film)), (10, 10), (5, 5), method)


PEAK = """
import sys
from preprocess.images.formats import open_film
from preprocess.images.resize import pad_and_resize
def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
def run(path):
    with open(path, "rb") as stream:
        return pad_and_resize(open_film(stream), (7111, 5431), (128, 95), sys.argv[2])
run(sys.argv[3])  # a small film of the same format loads the decoder, whose memory is not counted
before = peak()
run(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
@pytest.mark.parametrize("method", ["area", "nearest"])
@pytest.mark.parametrize("kind", ["DICOM", "RLE", "PNG", "TIFF", "JPEG"])
def test_a_film_takes_less_memory_than_two_and_a_half_times_its_pixels(kind, method, tmp_path):
    rng = np.random.default_rng(0)

    def write(name, height, width):
        smooth = np.linspace(0, 60000, width)[None] + rng.integers(0, 4096, (height, width))
        pixels = smooth.astype(np.uint16)
        if kind in ("DICOM", "RLE"):
            return write_dicom(tmp_path / name, pixels, **({"syntax": RLELossless} if kind == "RLE" else {})), pixels
        if kind == "JPEG":
            pixels = (pixels >> 8).astype(np.uint8)
        options = {"PNG": {"compress_level": 1}, "TIFF": {"compression": "tiff_lzw"}}.get(kind, {})
        return write_image(tmp_path / name, pixels, format=kind, **options), pixels

    small, _ = write("small", 200, 150)
    large, pixels = write("large", 3300, 2500)
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, large, method, small], check=True, capture_output=True, text=True,
        cwd=ROOT,
    )  # fmt: skip
    assert 0 <= int(ran.stdout) < 2.5 * pixels.nbytes


def test_pillow_makes_mode_i16_from_uint16():
    assert Image.fromarray(random_film(0)).mode == "I;16"
