"""Checks that a DICOM header describes a grayscale film, and returns how its samples are stored.

Standard: DICOM PS3.3 (2024), C.7.6.3 (image pixel module), PS3.5, 8.1.1. Messages contain only the size and the pixel
format, because other elements of a header may contain personal data.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import numpy as np

from preprocess.images.dicom.codestream import JPEG_2000, CodestreamHeader
from preprocess.images.dicom.header import EMPTY, NOT_A_NUMBER, Value
from preprocess.images.pixels import to_full_range
from preprocess.runtime.errors import RejectedFilm

_NUMBERS = ("Rows", "Columns", "BitsAllocated", "BitsStored")
_PHOTOMETRIC = frozenset((
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422",
    "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB",
))  # fmt: skip
"""All values that PS3.3, C.7.6.3.1.2 defines or has defined. A message quotes no other value."""


@dataclass(frozen=True)
class PixelFormat:
    """How the samples of a film are stored.

    Attributes:
        height, width: in pixels.
        dtype: of a sample: uint8, or little-endian uint16.
        bits: number of stored bits, the lowest ones of a sample.
        inverted: whether the largest sample is black.
    """

    height: int
    width: int
    dtype: np.dtype
    bits: int
    inverted: bool

    @property
    def bytes(self) -> int:
        """Size of the uncompressed samples."""
        return self.height * self.width * self.dtype.itemsize

    def pixels(self, samples: np.ndarray) -> np.ndarray:
        """Converts (n, W) samples to (n, W) uint16 on the full range, see `to_full_range`."""
        return to_full_range(samples, self.bits, self.inverted)

    def of_codestream(self, codestream: CodestreamHeader) -> "PixelFormat":
        """Returns the format of the samples in a codestream.

        Its precision, which may differ from BitsStored, is the number of bits that was encoded.

        Raises:
            RejectedFilm: the codestream contradicts this format in its size or channels, or has more than 16 bits.
        """
        size = codestream.height, codestream.width, codestream.components
        if size != (self.height, self.width, 1):
            raise RejectedFilm(
                "header",
                f"its compressed pixel data are {size[0]} x {size[1]} pixels of {size[2]} channels; "
                f"its header specifies {self.height} x {self.width} of one channel",
            )
        if not 1 <= codestream.precision <= 16:
            raise RejectedFilm(
                "header", f"its compressed pixel data have {codestream.precision} bits a sample; expected 1 to 16"
            )
        if codestream.is_subsampled:
            raise RejectedFilm("header", "its compressed pixel data have fewer samples than pixels")
        return replace(self, dtype=np.dtype("<u2" if codestream.precision > 8 else "u1"), bits=codestream.precision)

    def check_length(self, available: int, needed: int) -> None:
        """Checks that a file is long enough.

        Args:
            available: number of bytes from the beginning of the pixel data to the end of the file.
            needed: the smallest number of bytes into which the samples can be stored.

        Raises:
            RejectedFilm: fewer bytes are available.
        """
        if available < needed:
            raise RejectedFilm(
                "header",
                f"its header specifies {self.height} x {self.width} pixels of {8 * self.dtype.itemsize} bits "
                f"({self.bytes:,} bytes); the file has only {max(0, available):,} bytes after its header",
            )


def check_sign(attributes: Mapping[str, Value], codestream: CodestreamHeader) -> None:
    """Checks that a codestream that says whether its samples are signed says the same as the DICOM header.

    Raises:
        RejectedFilm: it does not.
    """
    said = attributes["PixelRepresentation"]
    if codestream.family == JPEG_2000 and said in (0, 1) and said != codestream.is_signed:
        words = ("unsigned", "signed")
        raise RejectedFilm(
            "header",
            f"its compressed pixel data are {words[codestream.is_signed]}; "
            f"its header specifies PixelRepresentation {said} ({words[not codestream.is_signed]})",
        )


def read_pixel_format(attributes: Mapping[str, Value]) -> PixelFormat:
    """Returns the pixel format that a header describes.

    Args:
        attributes: see `DicomHeader.attributes`.

    Raises:
        RejectedFilm: it is not a single grayscale image of at most 16 unsigned bits.
    """
    most_bits = 16 if attributes["BitsAllocated"] == 16 else 8
    expectations: dict[str, tuple[Container, str]] = {
        "Rows": (range(1, 65536), "1 to 65535"),
        "Columns": (range(1, 65536), "1 to 65535"),
        "SamplesPerPixel": ((1,), "1"),
        "PhotometricInterpretation": (("MONOCHROME1", "MONOCHROME2"), "MONOCHROME1 or MONOCHROME2"),
        "NumberOfFrames": ((None, EMPTY, 0, 1), "1"),  # 0 and empty: some writers do not count the frames of one image
        "BitsAllocated": ((8, 16), "8 or 16"),
        "BitsStored": (range(1, most_bits + 1), f"1 to {most_bits}"),
        "PixelRepresentation": ((0,), "0 (unsigned)"),
    }
    for name, (allowed, words) in expectations.items():
        if attributes[name] not in allowed:
            raise RejectedFilm("header", f"DICOM attribute {name} is {_quoted(attributes[name])}; expected {words}")
    height, width, allocated, bits = (int(attributes[name] or 0) for name in _NUMBERS)
    if attributes["HighBit"] != bits - 1:
        raise RejectedFilm(
            "header", f"DICOM attribute HighBit is {_quoted(attributes['HighBit'])}; expected {bits - 1}"
        )
    return PixelFormat(
        height, width, np.dtype(f"<u{allocated // 8}"), bits, attributes["PhotometricInterpretation"] == "MONOCHROME1"
    )


def _quoted(value: Value) -> str:
    """Formats a value for a message. A value that could be a name or an identifier is not quoted."""
    if value is None or value == EMPTY:
        return "missing" if value is None else "empty"
    if isinstance(value, int):
        return str(value) if 0 <= value < 65536 else "a number below 0 or above 65535"
    return value if value in _PHOTOMETRIC or value == NOT_A_NUMBER else "a value that DICOM does not define"
