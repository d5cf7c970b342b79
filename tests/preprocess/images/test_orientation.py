"""The orientation of TIFF, PNG and JPEG files: one rule, for all eight values and all places that can give one."""

import io
import struct
import zlib

import numpy as np
import pytest

from preprocess.images.formats import open_film
from tests.preprocess.images import files
from tests.preprocess.images.test_sample_table import check, jpeg_in_blocks, samples

FILM, BYTES = samples(16), samples(8)
BLOCKS, JPEG = jpeg_in_blocks()
XMP_IN_JPEG, XMP_IN_PNG = b"http://ns.adobe.com/xap/1.0/\0", b"XML:com.adobe.xmp\0\0\0\0\0"


def upright(samples, orientation):
    """Returns the samples as TIFF 6.0 (Orientation) says: where the first row and the first column are to be seen."""
    height, width = samples.shape
    seen = np.zeros((width, height) if orientation >= 5 else (height, width), samples.dtype)
    for row in range(height):
        for column in range(width):
            from_left = {1: column, 4: column, 2: width - 1 - column, 3: width - 1 - column,
                         5: row, 8: row, 6: height - 1 - row, 7: height - 1 - row}[orientation]  # fmt: skip
            from_top = {1: row, 2: row, 3: height - 1 - row, 4: height - 1 - row,
                        5: column, 6: column, 7: width - 1 - column, 8: width - 1 - column}[orientation]  # fmt: skip
            seen[from_top, from_left] = samples[row, column]
    return seen


def in_jpeg(segments):
    return JPEG[:2] + segments + JPEG[2:]


def in_png(chunks):
    return files.png(FILM, 16, before=chunks)


def profile(orientation):
    """Returns Exif as ImageMagick writes it, in a text."""
    digits = (b"Exif\0\0" + files.exif(orientation)).hex()
    text = f"\nexif\n{len(digits) // 2:8}\n{digits}\n".encode()
    return files.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))


COMPRESSED = {259: 8}
PLACES = {
    "TIFF": (FILM, lambda n: files.tiff(FILM, more={274: n})),
    "TIFF of 8 bits": (BYTES, lambda n: files.tiff(BYTES, more={274: n})),
    "big-endian TIFF": (FILM, lambda n: files.tiff(FILM, ">", more={274: n})),
    "BigTIFF": (FILM, lambda n: files.tiff(FILM, big=True, more={274: n})),
    "compressed TIFF": (FILM, lambda n: files.tiff(
        FILM, data=zlib.compress(FILM.astype("<u2").tobytes()), more=COMPRESSED | {274: n})),
    "XMP in a TIFF": (FILM, lambda n: files.tiff(FILM, more={700: files.xmp(n)})),
    "XMP in a compressed TIFF": (FILM, lambda n: files.tiff(
        FILM, data=zlib.compress(FILM.astype("<u2").tobytes()), more=COMPRESSED | {700: files.xmp(n)})),
    "another XMP in a TIFF": (FILM, lambda n: files.tiff(FILM, more={274: n, 700: files.xmp(9 - n)})),
    "Exif in a PNG": (FILM, lambda n: in_png(files.chunk(b"eXIf", files.exif(n)))),
    "big-endian Exif in a PNG": (FILM, lambda n: in_png(files.chunk(b"eXIf", files.exif(n, ">")))),
    "Exif in a text of a PNG": (FILM, lambda n: in_png(profile(n))),
    "XMP in a PNG": (FILM, lambda n: in_png(files.chunk(b"iTXt", XMP_IN_PNG + files.xmp(n)))),
    "Exif in a JPEG": (BLOCKS, lambda n: in_jpeg(files.segment(0xE1, b"Exif\0\0" + files.exif(n)))),
    "big-endian Exif in a JPEG": (BLOCKS, lambda n: in_jpeg(files.segment(0xE1, b"Exif\0\0" + files.exif(n, ">")))),
    "XMP in a JPEG": (BLOCKS, lambda n: in_jpeg(files.segment(0xE1, XMP_IN_JPEG + files.xmp(n)))),
    "Exif and another XMP in a JPEG": (BLOCKS, lambda n: in_jpeg(
        files.segment(0xE1, b"Exif\0\0" + files.exif(n)) + files.segment(0xE1, XMP_IN_JPEG + files.xmp(9 - n)))),
}  # fmt: skip
"""Name -> samples, and a function that returns the file for an orientation."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", PLACES)
def test_a_film_is_turned_upright(place, orientation):
    film, write = PLACES[place]
    expected = files.full_range(upright(film, orientation), 8 * film.itemsize)
    data = write(orientation)
    check(data, expected)
    opened = open_film(io.BytesIO(data))  # nothing is decoded, but the size is the one after turning
    assert (opened.height, opened.width) == expected.shape


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
@pytest.mark.parametrize("place", [place for place in PLACES if "XMP" not in place])
def test_another_orientation_is_refused(place, orientation):
    _, write = PLACES[place]
    check(write(orientation), "header: its Orientation (Exif, TIFF or XMP) is not a number from 1 to 8")


def test_an_orientation_after_the_image_data_of_a_png_is_refused():
    reason = "pixels: the PNG file gives its orientation after its image data; expected before"
    for after in (files.chunk(b"eXIf", files.exif(6)), files.chunk(b"iTXt", XMP_IN_PNG + files.xmp(6)), profile(6)):
        check(files.png(FILM, 16, after=after), reason)
    check(files.png(FILM, 16, after=files.chunk(b"eXIf", files.exif(1))), files.full_range(FILM, 16))
    both = files.png(FILM, 16, before=files.chunk(b"eXIf", files.exif(3)), after=files.chunk(b"eXIf", files.exif(4)))
    check(both, reason)


def test_exif_data_that_cannot_be_read_are_refused():
    reason = "header: its Exif data, which can give its orientation, cannot be read (SyntaxError)"
    check(in_png(files.chunk(b"eXIf", b"no Exif data")), reason)
    check(in_jpeg(files.segment(0xE1, b"Exif\0\0no Exif data")), reason)


def test_exif_data_without_an_orientation_have_no_effect():
    exif = files.exif(6).replace(struct.pack("<H", 0x0112), struct.pack("<H", 0x0113))
    check(in_png(files.chunk(b"eXIf", exif)), files.full_range(FILM, 16))
    check(in_jpeg(files.segment(0xE1, b"Exif\0\0" + exif)), files.full_range(BLOCKS, 8))
