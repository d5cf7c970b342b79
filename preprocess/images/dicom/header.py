"""Reads the transfer syntax and nine elements of a DICOM header, and skips the rest by their lengths.

A header may contain personal data. The values of skipped elements are not parsed, so they cannot appear in a message, a
warning or a log. The nine elements describe the pixel data. A message quotes their values only if they are numbers
below 65536 or terms that the standard defines.
"""

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from preprocess.images.dicom.elements import UNDEFINED, ElementReader
from preprocess.images.dicom.start import BIG_ENDIAN, IMPLICIT_VR, data_set_encoding
from preprocess.runtime.errors import RejectedFilm

Value = int | str | None

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
"""The transfer syntaxes of uncompressed pixel data, little-endian; PS3.6, A."""

_PIXEL_DATA = 0x7FE00010
_FLOATING_POINT = (0x7FE00008, 0x7FE00009)  # Float Pixel Data, Double Float Pixel Data
_NUMBERS = {
    0x00280002: "SamplesPerPixel", 0x00280010: "Rows", 0x00280011: "Columns", 0x00280100: "BitsAllocated",
    0x00280101: "BitsStored", 0x00280102: "HighBit", 0x00280103: "PixelRepresentation",
}  # fmt: skip
_TEXTS = {0x00280004: "PhotometricInterpretation", 0x00280008: "NumberOfFrames"}
_INTEGER = re.compile("[+-]?[0-9]{1,11}")  # the VR IS


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """The parts of a DICOM header that describe the pixel data.

    Attributes:
        syntax: the transfer syntax UID; None if the file does not contain one.
        attributes: attribute name -> an int, or a str for `PhotometricInterpretation`; None for a missing element,
            `EMPTY` for one without a value, `NOT_A_NUMBER` for one that should contain a number and does not.
        offset: position of the first byte of the pixel data in the file.
        length: of the pixel data in bytes; `UNDEFINED` if they are encapsulated.
    """

    syntax: str | None
    attributes: dict[str, Value]
    offset: int
    length: int


NOT_A_NUMBER, EMPTY = "not a number", ""


def read_header(stream: BinaryIO, size: int, start: int) -> DicomHeader:
    """Reads the header of a DICOM file.

    Whether the elements of the data set have VRs is taken from its first element: some writers give a transfer syntax
    that says otherwise.

    Args:
        stream: a seekable file. If pixel data were found, it is left at their first byte.
        size: of the file, in bytes.
        start: position of the first element, see `start.find_start`.

    Returns:
        The header. It contains only the transfer syntax if that is one of those that `is_parsed_here` excludes.

    Raises:
        RejectedFilm: the header is incomplete or invalid, or no pixel data follow it.
    """
    elements = ElementReader(stream, size)
    stream.seek(start)
    syntax = elements.read_transfer_syntax()
    attributes: dict[str, Value] = dict.fromkeys((*_NUMBERS.values(), *_TEXTS.values()))
    position = stream.tell()
    encoding = data_set_encoding(stream.read(8), syntax)
    stream.seek(position)
    if not is_parsed_here(syntax):
        return DicomHeader(syntax, attributes, 0, 0)
    if encoding == BIG_ENDIAN:
        raise RejectedFilm("header", "its data set is big endian; convert the file to Explicit VR Little Endian")
    implicit = encoding == IMPLICIT_VR
    while not elements.is_at_end():
        tag, vr, length = elements.next_element(implicit)
        if tag == _PIXEL_DATA:
            return DicomHeader(syntax, attributes, stream.tell(), length)
        if tag in _FLOATING_POINT:
            raise RejectedFilm("header", "its pixel data are floating-point numbers; expected integers")
        if length == UNDEFINED:
            elements.skip_items(implicit or vr == b"UN")
        elif tag in _NUMBERS:
            attributes[_NUMBERS[tag]] = _number(elements, length)
        elif tag in _TEXTS:
            attributes[_TEXTS[tag]] = _text_value(tag, elements.text(length))
        else:
            elements.skip(length)
    raise RejectedFilm("header", "the DICOM file contains no pixel data; it is not an image")


def is_parsed_here(syntax: str | None) -> bool:
    """Whether headers of this transfer syntax can be read here: they are little endian and not deflated."""
    return syntax not in ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


def _number(elements: ElementReader, length: int) -> Value:
    """Reads the value of an element that should contain one number of 16 bits."""
    if length == 2:
        return struct.unpack("<H", elements.value(length))[0]
    elements.skip(length)
    return NOT_A_NUMBER if length else EMPTY


def _text_value(tag: int, text: str) -> Value:
    """Converts the text of `NumberOfFrames` to an int, or to `NOT_A_NUMBER`; returns other texts unchanged."""
    if _TEXTS[tag] != "NumberOfFrames" or not text:
        return text
    return int(text) if _INTEGER.fullmatch(text) else NOT_A_NUMBER
