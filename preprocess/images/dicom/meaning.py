"""Rejects films with elements that give the samples another meaning than the project gives them.

The project takes the stored samples, from black to white, over the full range of their bits. Elements that convert
them to another unit, contradict the PhotometricInterpretation or mark samples that are no part of the film are accepted
only if they change nothing; docs/data.md has a table of them.

Standard: DICOM PS3.3 (2024), C.7.5.1.1.2 (pixel padding), C.7.6.1 and C.8.11.3 (presentation LUT shape), C.7.6.19
(supplemental palette), C.11.1 (modality LUT).
"""

import re
from collections.abc import Mapping

from preprocess.images.dicom.header import EMPTY, NOT_A_NUMBER, PRESENT, Value
from preprocess.images.dicom.pixel_format import PixelFormat
from preprocess.runtime.errors import RejectedFilm

_RESCALING = {"RescaleSlope": 1, "RescaleIntercept": 0}
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")  # the VR DS
_SHAPES = ("IDENTITY", "INVERSE", "LIN OD")
_TABLES = {
    "ModalityLUTSequence": "a table that converts its samples to another unit",
    "PresentationLUTSequence": "a table that converts its samples for a display",
    "RedPaletteColorLookupTableDescriptor": "a palette, so that some of its samples are colours",
    "SharedFunctionalGroupsSequence": "which makes it an enhanced multi-frame object",
    "PerFrameFunctionalGroupsSequence": "which makes it an enhanced multi-frame object",
}
_UNCHANGED = "give a film whose samples need no conversion"


def check_meaning(attributes: Mapping[str, Value], pixel_format: PixelFormat) -> None:
    """Checks the elements that can change the meaning of the samples.

    Args:
        attributes: see `DicomHeader.attributes`.
        pixel_format: of the samples that will be read.

    Raises:
        RejectedFilm: one of them does.
    """
    for name, expected in _RESCALING.items():
        _check_rescaling(name, attributes[name], expected)
    for name, words in _TABLES.items():
        if attributes[name] == PRESENT:
            raise RejectedFilm("header", f"its header contains {name}, {words}; {_UNCHANGED}")
    _check_shape(attributes["PresentationLUTShape"], pixel_format.inverted)
    for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        _check_padding(name, attributes[name], pixel_format)


def _check_rescaling(name: str, value: Value, expected: int) -> None:
    if value in (None, EMPTY):
        return
    is_number = isinstance(value, str) and _DECIMAL.fullmatch(value)
    if not is_number or float(str(value)) != expected:
        found = f"not {expected}" if is_number else NOT_A_NUMBER
        raise RejectedFilm("header", f"DICOM attribute {name} is {found}; expected {expected}; {_UNCHANGED}")


def _check_shape(shape: Value, is_inverted: bool) -> None:
    """Checks that PresentationLUTShape says the same as PhotometricInterpretation about which sample is black."""
    photometric, expected = ("MONOCHROME1", "INVERSE") if is_inverted else ("MONOCHROME2", "IDENTITY")
    if shape not in (None, EMPTY, expected):
        found = shape if shape in _SHAPES else "a value that DICOM does not define"
        raise RejectedFilm(
            "header",
            f"DICOM attribute PresentationLUTShape is {found} and PhotometricInterpretation is {photometric}; expected "
            f"{expected} with {photometric}",
        )


def _check_padding(name: str, value: Value, pixel_format: PixelFormat) -> None:
    """Checks that the samples that are no part of the film are black, like the project's own padding."""
    black = (1 << pixel_format.bits) - 1 if pixel_format.inverted else 0
    if value not in (None, EMPTY, black):
        raise RejectedFilm(
            "header", f"DICOM attribute {name} is {value}; expected {black}, which is black; make its padding black"
        )
