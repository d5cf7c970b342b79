"""PNG, TIFF and JPEG films, read with Pillow: 8 or 16 bits, one gray channel.

A header is read by Pillow's Python code, in the worker; data are decoded by C code, which `decoding` keeps out of it.
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
"""Pixel bytes that one byte of a file can make at most: deflate codes 258 bytes in 2 bits, JPEG an 8x8 block in one."""
_COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")
"""Of TIFF: lossless, and checked to their last byte. Where a JPEG is smaller than its strip, libtiff hands out the rest
as it finds it in memory: other pixels on each run, perhaps another film's."""
_TAIL = 65536
_HEADER_BYTES = 8 << 20
_READ_COSTS = 256  # bytes that a read counts for at least: a chain of small ones takes its time, too
_PHOTOMETRIC, _BITS_PER_SAMPLE = 262, 258
_OFFSETS_AND_COUNTS = ((273, 279), (324, 325))  # of strips, of tiles
_WHITE_IS_ZERO = 0


def open_raster(stream: BinaryIO, size: int) -> "RasterFilm":
    """Reads the header of a PNG, TIFF or JPEG file.

    Args:
        stream: positioned at the start of the file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: not one gray image of 8 or 16 bits, or a file too short for its header.
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
    if image.info.get("compression", "raw") not in _COMPRESSIONS:
        raise RejectedFilm("header", "a TIFF of another compression than none, LZW, deflate or PackBits")
    _check_length(image, stream, size, data_end)
    header.lift_limit()
    # Pillow turns WhiteIsZero around for 8 bits, and leaves 16 bits as they are stored.
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and _BITS[image.mode] == 16
    return RasterFilm(image, inverted)


class RasterFilm:
    """A film in Pillow's keeping: decoded whole at the first rows that are asked for, handed out in bands."""

    is_native = False

    def __init__(self, image: Image.Image, inverted: bool):
        self.width, self.height = image.size
        self._image, self._inverted = image, inverted

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        try:
            self._image.load()
            # np.asarray of a whole image would make two more copies of it; of a band, they are small.
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
    """A file of which a header may take so much and no more, until it is opened up for its data.

    Without it, a TIFF directory could name the same megabytes in each of 65,535 tags, and Pillow would keep a copy for
    every one; or a chain of directories could keep it busy for hours.
    """

    def __init__(self, stream: BinaryIO, size: int):
        self._stream, self._size = stream, size
        self._left: float = _HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        if self._left < float("inf"):
            held = max(0, self._size - self._stream.tell())
            size = held if size < 0 else min(size, held)
            self._left -= max(size, _READ_COSTS)
            if self._left < 0:
                raise RejectedFilm("header", f"the image header is longer than {_HEADER_BYTES >> 20} MiB")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def fileno(self) -> int:
        return self._stream.fileno()  # by which libtiff reads for itself

    def lift_limit(self) -> None:
        self._left = float("inf")


@functools.cache
def _configure_pillow() -> None:
    """Takes the limit of size from Pillow, as `open_film` has its own, and all that it would say on standard error."""
    Image.MAX_IMAGE_PIXELS = None
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="PIL")


def _check_length(image: Image.Image, stream: BinaryIO, size: int, data_end: int) -> None:
    """Refuses a file that cannot hold what its header promises, as far as that shows without decoding.

    Args:
        data_end: where its image data end, as far as the header tells.
    """
    width, height = image.size
    promised = width * height * _BITS[image.mode] // 8
    if size * _LARGEST_RATIO[image.format or ""] < promised:
        raise RejectedFilm(
            "header", f"its header promises {height} x {width} pixels ({promised:,} bytes); the file holds {size:,}"
        )
    if data_end > size:
        raise RejectedFilm("header", f"its header promises image data up to byte {data_end:,}; the file holds {size:,}")
    if mark := _END_MARK.get(image.format or ""):
        position = stream.tell()
        stream.seek(max(0, size - _TAIL), os.SEEK_SET)
        tail = stream.read(_TAIL)
        stream.seek(position)
        if mark not in tail:
            raise RejectedFilm("header", f"the {image.format} file is cut short: its end mark is missing")
