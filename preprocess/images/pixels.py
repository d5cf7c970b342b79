"""Stored samples -> pixels on the full 16-bit range, black as 0; what every image reader ends with."""

import struct
import zlib
from typing import Protocol

import numpy as np

from preprocess.contract import schema

MAX_PIXELS = 100_000_000
"""How many pixels a film may have where `--max_pixels` does not say otherwise: CBIS-DDSM's largest has 38.6 million."""

BROKEN_FILE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow, pydicom and its plugins raise on broken files; none of them documents a narrower base class. A
`MemoryError` is not among them: how much memory is left is not the file's fault."""


class FilmImage(Protocol):
    """One film whose header has been read and whose pixels are read band by band.

    Attributes:
        height, width: in pixels.
        is_native: whether the pixels are uncompressed DICOM, so that no decoder is needed.
    """

    height: int
    width: int
    is_native: bool

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start:stop as (stop - start, width) uint16 on the full range. Rows are asked for from top to bottom.
        What is returned may be overwritten by the next call.

        Raises:
            RejectedFilm: the pixels cannot be read or decoded.
        """
        ...


def to_full_range(samples: np.ndarray, bits: int, inverted: bool) -> np.ndarray:
    """Scales samples of `bits` stored bits to 0..65535 and turns them so that 0 is black.

    Args:
        samples: (H, W) uint8 or uint16; bits above the stored ones are ignored, as DICOM says (PS3.5, 8.1.1).
        bits: stored bits, 1 to 16. Eight bits are multiplied by 257, other depths by 65535 / (2^bits - 1), rounded.
        inverted: whether the largest sample is black (MONOCHROME1, WhiteIsZero).

    Returns:
        (H, W) uint16; `samples` itself where nothing is to be done.
    """
    top = (1 << bits) - 1
    if bits < 8 * samples.itemsize:
        samples = samples & top
    if schema.PIXEL_MAX % top == 0:
        pixels = samples if bits == 16 else np.multiply(samples, schema.PIXEL_MAX // top, dtype=np.uint16)
    else:
        scaled = np.multiply(samples, schema.PIXEL_MAX, dtype=np.uint32)
        scaled += np.uint32(top // 2)
        scaled //= np.uint32(top)
        pixels = scaled.astype(np.uint16)
    return schema.PIXEL_MAX - pixels if inverted else pixels
