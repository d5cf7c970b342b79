"""Reads PNG, TIFF and JPEG films with Pillow: 8 or 16 bits, one gray channel.

Pillow parses headers in Python and decodes the data in C. Headers are read in the worker, data in a decoder process,
see `make_image`.
"""

import functools
import logging
import os
import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from preprocess.images.pixels import BROKEN_FILE, to_full_range
from preprocess.runtime.errors import RejectedFilm

_BITS = {"L": 8, "RGB": 8, "I;16": 16, "I;16B": 16, "I;16L": 16}
_END_MARK = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
_LARGEST_RATIO = {"PNG": 1032, "JPEG": 512, "TIFF": 1032}
"""The largest number of pixel bytes for one byte of a file: deflate can code 258 bytes in 2 bits, JPEG an 8x8 block in
one bit."""
_COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")
"""The accepted compressions of TIFF: lossless ones, whose data must be complete. JPEG is not accepted: if a JPEG is
smaller than its strip, libtiff fills the rest with what is in memory, which differs in each run and may be of another
film."""
_TAIL = 65536  # bytes at the end of a file in which its end mark is expected
_HEADER_BYTES = 8 << 20
_READ_COSTS = 256  # bytes that each read counts for at least, because a chain of small reads takes time, too
_PHOTOMETRIC, _BITS_PER_SAMPLE = 262, 258
_OFFSETS_AND_COUNTS = ((273, 279), (324, 325))  # TIFF tags of strips and of tiles
_WHITE_IS_ZERO = 0


def open_raster(stream: BinaryIO, size: int) -> "RasterFilm":
    """Reads the header of a PNG, TIFF or JPEG file.

    Args:
        stream: positioned at the start of the file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: not a single gray image of 8 or 16 bits, or a file that is too short for its header.
    """
    _configure_pillow()
    header = _HeaderStream(stream, size)
    try:
        image = Image.open(header, formats=tuple(_LARGEST_RATIO))  # type: ignore[arg-type]
        frames = getattr(image, "n_frames", 1)
        tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
        depth = set(tags.get(_BITS_PER_SAMPLE, (_BITS.get(image.mode),)))
        ends = [
            offset + count
            for offsets, counts in _OFFSETS_AND_COUNTS
            for offset, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)
        ]
        data_end = int(max(ends, default=0))
    except BROKEN_FILE as error:
        raise RejectedFilm("header", f"the image header cannot be read ({type(error).__name__})") from error
    if frames != 1:
        raise RejectedFilm("header", f"a file of {frames} images; expected one")
    if image.mode not in _BITS or depth != {_BITS[image.mode]}:
        raise RejectedFilm("header", f"a {image.format} of mode {image.mode}; expected gray of 8 or 16 bits")
    if image.format == "TIFF" and image.info.get("compression", "raw") not in _COMPRESSIONS:
        raise RejectedFilm("header", "its TIFF compression is not supported; expected none, LZW, deflate or PackBits")
    _check_length(image, stream, size, data_end)
    header.lift_limit()
    # Pillow inverts WhiteIsZero images of 8 bits, but not those of 16 bits.
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and _BITS[image.mode] == 16
    return RasterFilm(image, inverted)


class RasterFilm:
    """A film that Pillow reads, see `pixels.FilmImage`. The first call of `read_rows` decodes the whole film."""

    is_native = False

    def __init__(self, image: Image.Image, inverted: bool):
        self.width, self.height = image.size
        self._image, self._inverted = image, inverted

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        try:
            self._image.load()
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


class _HeaderStream:
    """A stream that limits how much is read, until `lift_limit` is called.

    Without the limit, each of the 65,535 tags of a TIFF directory could refer to the same megabytes, of which Pillow
    would keep a copy for every tag; or Pillow could read a chain of directories for hours.
    """

    def __init__(self, stream: BinaryIO, size: int):
        self._stream, self._size = stream, size
        self._left: float = _HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        if self._left < float("inf"):
            available = max(0, self._size - self._stream.tell())
            size = available if size < 0 else min(size, available)
            self._left -= max(size, _READ_COSTS)
            if self._left < 0:
                raise RejectedFilm("header", f"the image header is longer than {_HEADER_BYTES >> 20} MiB")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def fileno(self) -> int:
        return self._stream.fileno()  # libtiff reads from the descriptor

    def lift_limit(self) -> None:
        """Allows reads of any length, for the image data."""
        self._left = float("inf")


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
    if mark := _END_MARK.get(image.format or ""):
        position = stream.tell()
        stream.seek(max(0, size - _TAIL), os.SEEK_SET)
        tail = stream.read(_TAIL)
        stream.seek(position)
        if mark not in tail:
            raise RejectedFilm("header", f"the {image.format} file is truncated: its end mark is missing")
