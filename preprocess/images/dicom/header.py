"""Reads the transfer syntax and 19 elements of a DICOM header, and skips the rest by their lengths.

A header may contain personal data. The values of skipped elements are not parsed, so they cannot appear in a message, a
warning or a log. The 19 elements describe the pixel data (`pixel_format`) or change their meaning (`meaning`). A
message quotes their values only if they are numbers below 65536 or terms that the standard defines.
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

from preprocess.images.dicom.elements import UNDEFINED, ElementReader
from preprocess.images.dicom.start import BIG_ENDIAN, IMPLICIT_VR, data_set_encoding
from preprocess.runtime.errors import RejectedFilm

Value = int | str | None


_PIXEL_DATA = 0x7FE00010
_FLOATING_POINT = (0x7FE00008, 0x7FE00009)  # Float Pixel Data, Double Float Pixel Data
_NUMBERS = {
    0x00280002: "SamplesPerPixel", 0x00280010: "Rows", 0x00280011: "Columns", 0x00280100: "BitsAllocated",
    0x00280101: "BitsStored", 0x00280102: "HighBit", 0x00280103: "PixelRepresentation",
    0x00280120: "PixelPaddingValue", 0x00280121: "PixelPaddingRangeLimit",
}  # fmt: skip
_TEXTS = {
    0x00280004: "PhotometricInterpretation", 0x00280008: "NumberOfFrames", 0x00281052: "RescaleIntercept",
    0x00281053: "RescaleSlope", 0x20500020: "PresentationLUTShape",
}  # fmt: skip
_PRESENT = {
    0x00281101: "RedPaletteColorLookupTableDescriptor", 0x00283000: "ModalityLUTSequence",
    0x20500010: "PresentationLUTSequence", 0x52009229: "SharedFunctionalGroupsSequence",
    0x52009230: "PerFrameFunctionalGroupsSequence",
}  # fmt: skip
"""Elements whose value is not read, only whether they have one."""
_NAMES = (*_NUMBERS.values(), *_TEXTS.values(), *_PRESENT.values())
_INTEGER = re.compile("[+-]?[0-9]{1,11}")  # the VR IS


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """The parts of a DICOM header that describe the pixel data.

    Attributes:
        syntax: the transfer syntax UID; None if the file does not contain one.
        attributes: attribute name -> an int, a str, or `PRESENT`; None for a missing element, `EMPTY` for one without a
            value, `NOT_A_NUMBER` for one that should contain a number of 16 bits and does not.
        offset: position of the first byte of the pixel data.
        length: of the pixel data in bytes; `UNDEFINED` if they are encapsulated.
        has_swapped_words: whether the pixel data are big-endian words of 16 bits.
    """

    syntax: str | None
    attributes: dict[str, Value]
    offset: int
    length: int
    has_swapped_words: bool


NOT_A_NUMBER, EMPTY, PRESENT = "not a number", "", "present"


def read_header(stream: BinaryIO, size: int, syntax: str | None) -> DicomHeader:
    """Reads the data set of a DICOM file up to its pixel data.

    Whether its elements have VRs is taken from the first element: some writers give a transfer syntax that says
    otherwise.

    Args:
        stream: a seekable file, positioned at the first element of the data set. It is left at the first byte of the
            pixel data.
        size: of the file, in bytes.
        syntax: the transfer syntax UID; None if the file does not contain one.

    Raises:
        RejectedFilm: the header is incomplete or invalid, or no pixel data follow it.
    """
    attributes: dict[str, Value] = dict.fromkeys(_NAMES)
    position = stream.tell()
    encoding = data_set_encoding(stream.read(8), syntax)
    stream.seek(position)
    implicit, is_big_endian = encoding == IMPLICIT_VR, encoding == BIG_ENDIAN
    elements = ElementReader(stream, size, is_big_endian)
    while not elements.is_at_end():
        tag, vr, length = elements.next_element(implicit)
        if tag == _PIXEL_DATA:
            has_words = vr == b"OW" or attributes["BitsAllocated"] != 8
            return DicomHeader(syntax, attributes, elements.position, length, is_big_endian and has_words)
        if tag in _FLOATING_POINT:
            raise RejectedFilm("header", "its pixel data are floating-point numbers; expected integers")
        if length == UNDEFINED:
            has_items = elements.skip_items(implicit or vr == b"UN")
            if tag in _PRESENT:
                attributes[_PRESENT[tag]] = PRESENT if has_items else EMPTY
        elif tag in _NUMBERS:
            number = elements.number(length)
            attributes[_NUMBERS[tag]] = number if number is not None else NOT_A_NUMBER if length else EMPTY
        elif tag in _TEXTS:
            attributes[_TEXTS[tag]] = _text_value(tag, elements.text(length))
        else:
            if tag in _PRESENT:
                attributes[_PRESENT[tag]] = PRESENT if length else EMPTY
            elements.skip(length)
    raise RejectedFilm("header", "the DICOM file contains no pixel data; it is not an image")


def _text_value(tag: int, text: str) -> Value:
    """Converts the text of `NumberOfFrames` to an int, or to `NOT_A_NUMBER`; returns other texts unchanged."""
    if _TEXTS[tag] != "NumberOfFrames" or not text:
        return text
    return int(text) if _INTEGER.fullmatch(text) else NOT_A_NUMBER
