"""Reads the transfer syntax and nine elements of a DICOM header, and skips the rest by their lengths.

Standard: DICOM PS3.5 (2024), 7.1 (elements), 7.5 (sequences), PS3.10, 7.1 (file meta information).

A header may contain personal data. The values of skipped elements are not parsed, so they cannot appear in a message, a
warning or a log. The nine elements describe the pixel data. A message quotes their values only if they are numbers
below 65536 or terms that the standard defines.

Nested sequences are read without recursion, and the number of elements is limited: a file that is made to keep its
reader busy is rejected within a second.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from preprocess.runtime.errors import RejectedFilm

Value = int | str | None

MAX_ELEMENTS = 100_000
"""The largest number of elements in a header; the header of a film has about 60."""
UNDEFINED = 0xFFFFFFFF
"""The length field of an element of undefined length, which ends at a delimiter (PS3.5, 7.1.1)."""
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
"""The transfer syntaxes of uncompressed pixel data, little-endian; PS3.6, A."""

_TRANSFER_SYNTAX = 0x00020010
_PIXEL_DATA = 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_NUMBERS = {
    0x00280002: "SamplesPerPixel", 0x00280010: "Rows", 0x00280011: "Columns", 0x00280100: "BitsAllocated",
    0x00280101: "BitsStored", 0x00280102: "HighBit", 0x00280103: "PixelRepresentation",
}  # fmt: skip
_TEXTS = {0x00280004: "PhotometricInterpretation", 0x00280008: "NumberOfFrames"}
_LONGEST_TEXT = 64  # characters of a UID, the longest text that is read
_LONG_LENGTH = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)  # VRs with a length field of 32 bits: PS3.5, table 7.1-1


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """The parts of a DICOM header that describe the pixel data.

    Attributes:
        syntax: the transfer syntax UID.
        attributes: attribute name -> an int, or a str for `PhotometricInterpretation`; None for a missing element,
            `NOT_A_NUMBER` for an element that should contain a number and does not.
        offset: position of the first byte of the pixel data in the file.
        length: of the pixel data in bytes; `UNDEFINED` if they are encapsulated.
    """

    syntax: str
    attributes: dict[str, Value]
    offset: int
    length: int


NOT_A_NUMBER = "not a number"


def read_header(stream: BinaryIO) -> DicomHeader:
    """Reads the header of a DICOM file.

    Args:
        stream: a seekable file. If pixel data were found, it is left at their first byte.

    Returns:
        The header. It contains only the transfer syntax if that is one of those that `is_parsed_here` excludes.

    Raises:
        RejectedFilm: the header is incomplete or invalid, or no pixel data follow it.
    """
    parser = _HeaderParser(stream)
    stream.seek(132)
    syntax = parser.read_transfer_syntax()
    if syntax is None:
        raise RejectedFilm("header", "the DICOM header contains no transfer syntax")
    attributes: dict[str, Value] = dict.fromkeys((*_NUMBERS.values(), *_TEXTS.values()))
    if not is_parsed_here(syntax):
        return DicomHeader(syntax, attributes, 0, 0)
    implicit = syntax == IMPLICIT
    while True:
        tag, vr, length = parser.next_element(implicit)
        if tag == _PIXEL_DATA:
            return DicomHeader(syntax, attributes, stream.tell(), length)
        if length == UNDEFINED:
            parser.skip_items(implicit or vr == b"UN")
        elif tag in _NUMBERS:
            attributes[_NUMBERS[tag]] = struct.unpack("<H", parser.value(length))[0] if length == 2 else NOT_A_NUMBER
            parser.skip(0 if length == 2 else length)
        elif tag in _TEXTS:
            attributes[_TEXTS[tag]] = _text_value(tag, parser.text(length))
        else:
            parser.skip(length)


def is_parsed_here(syntax: str) -> bool:
    """Whether headers of this transfer syntax can be read here: they are little endian and not deflated."""
    return syntax not in ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


class _HeaderParser:
    """Reads elements from a stream, and limits their number to `MAX_ELEMENTS`."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._elements = 0

    def read_transfer_syntax(self) -> str | None:
        """Reads the file meta information, which is always Explicit VR, up to its end.

        Its end is where another group begins; its element with the group length is not used.

        Returns:
            The transfer syntax UID; None if there is none.
        """
        syntax = None
        while True:
            start = self._stream.tell()
            group = self._stream.read(2)
            self._stream.seek(start)
            if group != b"\x02\x00":
                return syntax
            tag, _, length = self.next_element(implicit=False)
            if length == UNDEFINED:
                raise RejectedFilm("header", "the DICOM file meta information contains an element of undefined length")
            if tag == _TRANSFER_SYNTAX:
                syntax = self.text(length)
            else:
                self.skip(length)

    def next_element(self, implicit: bool) -> tuple[int, bytes, int]:
        """Reads an element up to its value.

        Args:
            implicit: whether the transfer syntax has no VRs.

        Returns:
            The tag, the VR (empty if implicit) and the length of the value in bytes.
        """
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise RejectedFilm("header", f"the DICOM header has more than {MAX_ELEMENTS:,} elements")
        head = self.value(8)
        group, number, length = struct.unpack("<HHI", head)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:  # items and delimiters have no VR in any syntax
            return tag, b"", length
        vr = head[4:6]
        if vr in _LONG_LENGTH:
            return tag, vr, struct.unpack("<I", self.value(4))[0]
        return tag, vr, struct.unpack("<H", head[6:])[0]

    def skip_items(self, implicit: bool) -> None:
        """Skips the value of an element of undefined length: a sequence, or the encapsulated pixels of an icon.

        Args:
            implicit: whether the elements in it have no VRs.
        """
        open_items = [False]  # for each level of nesting: whether an item of undefined length is open
        encodings = [implicit]
        while open_items:
            tag, vr, length = self.next_element(encodings[-1])
            if not open_items[-1]:
                if tag == _SEQUENCE_END:
                    open_items.pop()
                    encodings.pop()
                elif tag != _ITEM:
                    raise RejectedFilm(
                        "header", "a sequence in the DICOM header contains an element that is not an item"
                    )
                elif length == UNDEFINED:
                    open_items[-1] = True
                else:
                    self.skip(length)
            elif tag == _ITEM_END:
                open_items[-1] = False
            elif length == UNDEFINED:
                open_items.append(False)
                encodings.append(encodings[-1] or vr == b"UN")
            else:
                self.skip(length)

    def skip(self, length: int) -> None:
        self._stream.seek(self._stream.tell() + length)

    def text(self, length: int) -> str:
        """Reads a text without its padding; of a long text, only the first 65 characters."""
        text = self.value(min(length, _LONGEST_TEXT + 1))
        self.skip(length - len(text))
        return text.decode("latin-1").strip(" \0")

    def value(self, length: int) -> bytes:
        """Reads `length` bytes.

        Raises:
            RejectedFilm: the file ends before.
        """
        value = self._stream.read(length)
        if len(value) < length:
            raise RejectedFilm("header", "the DICOM file ends before its pixel data")
        return value


def _text_value(tag: int, text: str) -> Value:
    """Converts the text of `NumberOfFrames` to an int, or to `NOT_A_NUMBER`; returns other texts unchanged."""
    if _TEXTS[tag] != "NumberOfFrames":
        return text
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else NOT_A_NUMBER
