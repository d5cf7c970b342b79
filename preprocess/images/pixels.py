"""The interface of all image readers, and the scaling of stored samples to the full 16-bit range with black as 0."""

import struct
import zlib
from typing import Protocol

import numpy as np

from preprocess.contract import schema

MAX_PIXELS = 100_000_000
"""Default of `--max_pixels`, the largest number of pixels of a film. The largest film of CBIS-DDSM has 38.6 million."""

BROKEN_FILE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
"""The exceptions that Pillow, pydicom and its plugins raise for broken files; none of them documents a narrower base
class. `MemoryError` is not included, because the cause may be the machine, not the file."""


class FilmImage(Protocol):
    """A film whose header was read and whose pixels can be read in bands of rows.

    Attributes:
        height, width: in pixels.
        is_native: whether the pixels are uncompressed DICOM, so that no decoder is needed.
    """

    height: int
    width: int
    is_native: bool

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Reads the rows start:stop. Calls must proceed from top to bottom.

        Returns:
            (stop - start, width) uint16 on the full range, black as 0. The next call may overwrite the array.

        Raises:
            RejectedFilm: the pixels cannot be read or decoded.
        """
        ...


def to_full_range(samples: np.ndarray, bits: int, inverted: bool) -> np.ndarray:
    """Scales stored samples to 0..65535, and inverts them if their largest value is black.

    Args:
        samples: (H, W) uint8 or uint16; bits above the stored ones are ignored (DICOM PS3.5, 8.1.1).
        bits: number of stored bits, 1 to 16. Samples of 8 bits are multiplied by 257, those of other depths by
            65535 / (2^bits - 1), rounded.
        inverted: whether the largest sample is black (MONOCHROME1, WhiteIsZero).

    Returns:
        (H, W) uint16; `samples` itself if it needs no change.
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
