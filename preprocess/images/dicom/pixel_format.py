"""How a DICOM film's samples are stored, as its header says, and what of it is no film.

Standard: DICOM PS3.3 (2024), C.7.6.3 (image pixel module), PS3.5, 8.1.1. Of the header only geometry and pixel format
are ever looked at, and only they appear in a message: the rest may tell of a person.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from preprocess.images.dicom.header import NOT_A_NUMBER, Value
from preprocess.images.pixels import to_full_range
from preprocess.runtime.errors import RejectedFilm

_NUMBERS = ("Rows", "Columns", "BitsAllocated", "BitsStored")
_PHOTOMETRIC = frozenset((
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422",
    "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB",
))  # fmt: skip
"""Every value that PS3.3, C.7.6.3.1.2 has or had: only these are quoted."""


@dataclass(frozen=True)
class PixelFormat:
    """Attributes:
    height, width: in pixels.
    dtype: of a sample, little-endian; `bits` of it are in use.
    inverted: whether the largest sample is black.
    """

    height: int
    width: int
    dtype: np.dtype
    bits: int
    inverted: bool

    @property
    def bytes(self) -> int:
        """Of all samples."""
        return self.height * self.width * self.dtype.itemsize

    def pixels(self, samples: np.ndarray) -> np.ndarray:
        """(n, W) samples -> uint16 on the full range, see `to_full_range`."""
        return to_full_range(samples, self.bits, self.inverted)

    def check_held(self, held: int, least: int) -> None:
        """Raises `RejectedFilm` where a file holds fewer bytes of samples than `least`."""
        if held < least:
            raise RejectedFilm(
                "header",
                f"its header promises {self.height} x {self.width} pixels of {8 * self.dtype.itemsize} bits "
                f"({self.bytes:,} bytes); the file holds {max(0, held):,}",
            )


def read_pixel_format(attributes: Mapping[str, Value]) -> PixelFormat:
    """What a header says of its pixel data.

    Raises:
        RejectedFilm: they are not one grayscale film of up to 16 unsigned bits.
    """
    most_bits = 16 if attributes["BitsAllocated"] == 16 else 8
    expectations: dict[str, tuple[Container, str]] = {
        "Rows": (range(1, 65536), "1 to 65535"),
        "Columns": (range(1, 65536), "1 to 65535"),
        "SamplesPerPixel": ((1,), "1"),
        "PhotometricInterpretation": (("MONOCHROME1", "MONOCHROME2"), "MONOCHROME1 or MONOCHROME2"),
        "NumberOfFrames": ((None, 1), "1"),
        "BitsAllocated": ((8, 16), "8 or 16"),
        "BitsStored": (range(1, most_bits + 1), f"1 to {most_bits}"),
        "PixelRepresentation": ((0,), "0 (unsigned)"),
    }
    for name, (allowed, words) in expectations.items():
        if attributes[name] not in allowed:
            raise RejectedFilm("header", f"the DICOM header says {name} {_quoted(attributes[name])}; expected {words}")
    height, width, allocated, bits = (int(attributes[name] or 0) for name in _NUMBERS)
    if attributes["HighBit"] != bits - 1:
        raise RejectedFilm(
            "header", f"the DICOM header says HighBit {_quoted(attributes['HighBit'])}; expected {bits - 1}"
        )
    return PixelFormat(
        height, width, np.dtype(f"<u{allocated // 8}"), bits, attributes["PhotometricInterpretation"] == "MONOCHROME1"
    )


def _quoted(value: Value) -> str:
    """A header's value as a message may show it: where a name or an identifier could stand, it is not repeated."""
    if value is None or isinstance(value, int):
        return str(value) if value is None or value < 65536 else "a number above 65535"
    return value if value in _PHOTOMETRIC or value == NOT_A_NUMBER else "a value that DICOM does not know"
