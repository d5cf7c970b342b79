"""PNG, TIFF and JPEG films, read with Pillow: 8 or 16 bits, one gray channel."""

import os
import struct
from typing import BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from preprocess.errors import RejectedFilm
from preprocess.pixels import to_full_range

BROKEN_FILE = (
    OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow's readers raise on broken files (`UnidentifiedImageError` is an OSError)."""

_BITS = {"L": 8, "RGB": 8, "I;16": 16, "I;16B": 16, "I;16L": 16}
_END_MARK = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
_LARGEST_RATIO = {"PNG": 1032, "JPEG": 512, "TIFF": 1032}
"""Pixel bytes that one byte of a file can make at most: deflate codes 258 bytes in 2 bits, JPEG an 8x8 block in one."""
_TAIL = 65536
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
    try:
        image = Image.open(stream, formats=("PNG", "TIFF", "JPEG"))
        frames = getattr(image, "n_frames", 1)
    except BROKEN_FILE as error:
        raise RejectedFilm("header", f"the image header cannot be read ({type(error).__name__})") from error
    if frames != 1:
        raise RejectedFilm("header", f"a file of {frames} images; expected one")
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    depth = tags.get(_BITS_PER_SAMPLE, (_BITS.get(image.mode),))
    if image.mode not in _BITS or set(depth) != {_BITS[image.mode]}:
        raise RejectedFilm("header", f"a {image.format} of mode {image.mode}; expected gray of 8 or 16 bits")
    _check_length(image, stream, size, tags)
    # Pillow turns WhiteIsZero around for 8 bits, and leaves 16 bits as they are stored.
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and _BITS[image.mode] == 16
    return RasterFilm(image, inverted)


class RasterFilm:
    """A film in Pillow's keeping: decoded whole at the first rows that are asked for, handed out in bands."""

    def __init__(self, image: Image.Image, inverted: bool):
        self.width, self.height = image.size
        self._image, self._inverted = image, inverted

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        try:
            self._image.load()
            # np.asarray of a whole image would make two more copies of it; of a band, they are small.
            samples = np.asarray(self._image.crop((0, start, self.width, stop)))
        except BROKEN_FILE as error:
            reason = f"its {self._image.format} data cannot be decoded ({type(error).__name__}: {error})"
            raise RejectedFilm("pixels", reason) from error
        if samples.ndim == 3:
            if (samples != samples[..., :1]).any():
                raise RejectedFilm("pixels", "a colour image; expected gray")
            samples = samples[..., 0]
        bits = _BITS[self._image.mode]
        samples = samples.astype(np.uint16 if bits == 16 else np.uint8, copy=False)
        return to_full_range(samples, bits, self._inverted)


def _check_length(image: Image.Image, stream: BinaryIO, size: int, tags) -> None:
    """Refuses a file that cannot hold what its header promises, as far as that shows without decoding."""
    width, height = image.size
    promised = width * height * _BITS[image.mode] // 8
    if size * _LARGEST_RATIO[image.format or ""] < promised:
        raise RejectedFilm(
            "header", f"its header promises {height} x {width} pixels ({promised:,} bytes); the file holds {size:,}"
        )
    for offsets, counts in _OFFSETS_AND_COUNTS:
        ends = [o + n for o, n in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)]
        if max(ends, default=0) > size:
            raise RejectedFilm(
                "header", f"its header promises image data up to byte {max(ends):,}; the file holds {size:,}"
            )
    if mark := _END_MARK.get(image.format or ""):
        position = stream.tell()
        stream.seek(max(0, size - _TAIL), os.SEEK_SET)
        tail = stream.read(_TAIL)
        stream.seek(position)
        if mark not in tail:
            raise RejectedFilm("header", f"the {image.format} file is cut short: its end mark is missing")
