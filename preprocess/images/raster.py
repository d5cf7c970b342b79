"""Reads PNG, TIFF and JPEG films with Pillow: 8 or 16 bits, one gray channel, turned upright.

The depth and the channels are checked by `raster_layout`, before Pillow opens the file; the orientation is found by
`orientation`.

Pillow parses headers in Python and decodes the data in C. Headers are read in the worker, data in a decoder process,
see `make_image`.
"""

import functools
import io
import logging
import os
import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from preprocess.images import raster_layout
from preprocess.images.header_stream import HeaderStream
from preprocess.images.orientation import read_orientation, upright_size
from preprocess.images.pixels import BROKEN_FILE, to_full_range
from preprocess.images.png_chunks import read_checked
from preprocess.images.tiff_checksums import check_deflate
from preprocess.runtime.errors import RejectedFilm

_BITS = {"L": 8, "RGB": 8, "I;16": 16, "I;16B": 16, "I;16L": 16}
_END_MARK = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
_LARGEST_RATIO = {"PNG": 1032, "JPEG": 512, "TIFF": 1032}
"""The largest number of pixel bytes for one byte of a file: deflate can code 258 bytes in 2 bits, JPEG an 8x8 block in
one bit."""
_DEFLATE = ("tiff_adobe_deflate", "tiff_deflate")
_COMPRESSIONS = ("raw", "tiff_lzw", "packbits", *_DEFLATE)
"""The accepted compressions of TIFF: lossless ones, whose data must be complete. JPEG is not accepted: if a JPEG is
smaller than its strip, libtiff fills the rest with what is in memory, which differs in each run and may be of another
film."""
_TAIL = 65536  # bytes at the end of a file in which its end mark is expected
_BLOCK = 1 << 20
_MOST_SEARCHED = 1 << 30  # bytes; no film of the largest size has more
_PHOTOMETRIC, _FILL_ORDER = 262, 266
_WHITE_IS_ZERO, _REVERSED = 0, 2


def open_raster(stream: BinaryIO, size: int) -> "RasterFilm":
    """Reads the header of a PNG, TIFF or JPEG file.

    Args:
        stream: positioned at the start of the file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: not a single gray image of 8 or 16 bits, or a file that is too short for its header.
    """
    _configure_pillow()
    header = HeaderStream(stream, size)
    try:
        is_big = _check_layout(header)
        image = Image.open(header, formats=tuple(_LARGEST_RATIO))  # type: ignore[arg-type]
        frames = getattr(image, "n_frames", 1)
        orientation = read_orientation(image, "header")
        tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
        parts = raster_layout.data_parts(tags, is_big)
    except BROKEN_FILE as error:
        raise RejectedFilm("header", f"the image header cannot be read ({type(error).__name__})") from error
    if frames != 1:
        raise RejectedFilm("header", f"a file of {frames} images; expected one")
    if image.mode not in _BITS:
        raise RejectedFilm("header", f"a {image.format} of Pillow's mode {image.mode}; give gray of 8 or 16 bits")
    if "transparency" in image.info:
        raise RejectedFilm("header", f"a {image.format} with transparent pixels; give gray of 8 or 16 bits")
    if image.format == "TIFF" and image.info.get("compression", "raw") not in _COMPRESSIONS:
        raise RejectedFilm("header", "its TIFF compression is not supported; expected none, LZW, deflate or PackBits")
    _check_length(image, stream, size, max((offset + count for offset, count in parts), default=0))
    if image.info.get("compression") == "raw":
        raster_layout.check_strips(tags, parts, image.height, _pixel_bytes(image))
    header.lift_limit()
    # Pillow inverts WhiteIsZero images of 8 bits, but not those of 16 bits.
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and _BITS[image.mode] == 16
    return RasterFilm(stream, image, orientation, inverted)


def _check_layout(header: HeaderStream) -> bool:
    """Checks the depth and the channels in the file's own header, see `raster_layout`.

    Returns:
        Whether it is a BigTIFF.
    """
    magic = header.read(16)
    if magic.startswith((b"II", b"MM")):
        raster_layout.check_big_tiff(magic)
        directory = TiffImagePlugin.ImageFileDirectory_v2(magic if raster_layout.is_big_tiff(magic) else magic[:8])
        header.seek(directory.next)
        directory.load(header)  # type: ignore[arg-type]
        raster_layout.check_tiff(directory, is_big_endian=magic.startswith(b"MM"))
    else:
        head = magic + header.read(raster_layout.HEAD_BYTES)
        raster_layout.check_png(head)
        raster_layout.check_jpeg(head)
    header.seek(0)
    return raster_layout.is_big_tiff(magic)


class RasterFilm:
    """A film that Pillow reads, see `pixels.FilmImage`. The first call of `read_rows` decodes the whole film."""

    is_native = False

    def __init__(self, stream: BinaryIO, image: Image.Image, orientation: int, inverted: bool):
        self.width, self.height = upright_size(image, orientation)
        self._stream, self._is_loaded = stream, False
        self._image, self._orientation, self._inverted = image, orientation, inverted

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        try:
            self._load()
            # np.asarray makes two copies; of a band, they are small
            samples = np.asarray(self._image.crop((0, start, self.width, stop)))
        except BROKEN_FILE as error:
            reason = f"its {self._image.format} data cannot be decoded ({type(error).__name__})"
            raise RejectedFilm("pixels", reason) from error
        if samples.ndim == 3:
            if (samples != samples[..., :1]).any():
                raise RejectedFilm("pixels", "a colour image; expected gray")
            samples = samples[..., 0]
        bits = _BITS[self._image.mode]
        samples = samples.astype(np.uint16 if bits == 16 else np.uint8, copy=False)
        return to_full_range(samples, bits, self._inverted)

    def _load(self) -> None:
        """Decodes the film and turns it upright, unless that is done."""
        if self._is_loaded:
            return
        if self._image.format == "PNG":
            self._image = Image.open(io.BytesIO(read_checked(self._stream)), formats=("PNG",))
        elif self._image.info.get("compression") in _DEFLATE:
            tags = self._image.tag_v2  # type: ignore[attr-defined]
            parts = raster_layout.data_parts(tags, is_big=True)
            inflated = check_deflate(self._stream, parts, is_reversed=tags.get(_FILL_ORDER) == _REVERSED)
            raster_layout.check_inflated(tags, inflated, _pixel_bytes(self._image))
        self._image.load()  # turns a TIFF upright
        if self._image.format == "PNG" and read_orientation(self._image, "pixels") != self._orientation:
            raise RejectedFilm("pixels", "the PNG file gives its orientation after its image data; expected before")
        ImageOps.exif_transpose(self._image, in_place=True)
        self._is_loaded = True


def _pixel_bytes(image: Image.Image) -> int:
    return image.width * image.height * len(image.getbands()) * _BITS[image.mode] // 8


@functools.cache
def _configure_pillow() -> None:
    """Disables Pillow's size limit, because `open_film` has one, and its messages on standard error."""
    Image.MAX_IMAGE_PIXELS = None
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="PIL")


def _check_length(image: Image.Image, stream: BinaryIO, size: int, data_end: int) -> None:
    """Rejects a file that is too short for the image in its header. Nothing is decoded.

    Args:
        size: of the file, in bytes.
        data_end: position in the file at which the image data end, from the header; 0 if the header does not give it.

    Raises:
        RejectedFilm: the file is too short, or its end mark is missing.
    """
    width, height = image.size
    pixel_bytes = width * height * _BITS[image.mode] // 8
    if size * _LARGEST_RATIO[image.format or ""] < pixel_bytes:
        raise RejectedFilm(
            "header",
            f"its header specifies {height} x {width} pixels ({pixel_bytes:,} bytes); the file has only {size:,} bytes",
        )
    if data_end > size:
        raise RejectedFilm(
            "header", f"its header specifies image data up to byte {data_end:,}; the file has only {size:,} bytes"
        )
    mark = _END_MARK.get(image.format or "")
    if mark and not _contains(stream, size, mark):
        raise RejectedFilm("header", f"the {image.format} file is truncated: its end mark is missing")


def _contains(stream: BinaryIO, size: int, mark: bytes) -> bool:
    """Whether a file contains its end mark. It is searched first at the end of the file, then from its start on."""
    position = stream.tell()
    stream.seek(max(0, size - _TAIL), os.SEEK_SET)
    is_found = mark in stream.read(_TAIL)
    if not is_found:
        stream.seek(0)
        rest = b""
        while not is_found and stream.tell() < _MOST_SEARCHED and (block := stream.read(_BLOCK)):
            is_found = mark in rest + block
            rest = block[-len(mark) + 1 :]
    stream.seek(position)
    return is_found
