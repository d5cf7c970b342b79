"""The nine elements of a DICOM header that a film is read by; everything else is passed over unseen.

Standard: DICOM PS3.5 (2024), 7.1 (elements), 7.5 (sequences), PS3.10, 7.1 (file meta information). A header may tell
of a person. Elements that do not describe pixels are skipped by their length, so that nothing of them can reach a
message, a warning or a log; the ones that do are quoted only where they say what the standard has a word for.

A header of any depth is walked without recursion, and in a number of steps that is limited: a file made to keep its
reader busy is rejected within a second.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from preprocess.runtime.errors import RejectedFilm

Value = int | str | None

MAX_ELEMENTS = 100_000
"""A film's header has some 60."""
UNDEFINED = 0xFFFFFFFF
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
_LONGEST_TEXT = 64  # what a UID, the longest of them, may have
_LONG_LENGTH = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)  # PS3.5, table 7.1-1


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """Attributes:
    syntax: the transfer syntax UID.
    attributes: attribute name -> an int, or for `PhotometricInterpretation` a str; None where it is missing, and
        `NOT_A_NUMBER` where a number was due.
    offset: of the pixel data's first byte in the file.
    length: of the pixel data in bytes, `UNDEFINED` where it is encapsulated.
    """

    syntax: str
    attributes: dict[str, Value]
    offset: int
    length: int


NOT_A_NUMBER = "something that is no number"


def read_header(stream: BinaryIO) -> DicomHeader:
    """Walks a DICOM file from its start up to the pixel data.

    Raises:
        RejectedFilm: the header breaks off or contradicts itself, or there is no pixel data after it.
    """
    parser = _HeaderParser(stream)
    stream.seek(132)
    syntax = parser.read_transfer_syntax()
    if syntax is None:
        raise RejectedFilm("header", "the DICOM header names no transfer syntax")
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
    """Whether a header of this transfer syntax is little endian and not deflated, so that it can be walked at all."""
    return syntax not in ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


class _HeaderParser:
    """Goes from element to element of a stream, and counts them."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._elements = 0

    def read_transfer_syntax(self) -> str | None:
        """The transfer syntax in the file meta information, which is always Explicit VR; leaves the stream behind it.

        What the meta information says of its own length is not needed: it ends where another group begins.
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
                raise RejectedFilm("header", "the DICOM header's meta information has an element without a length")
            if tag == _TRANSFER_SYNTAX:
                syntax = self.text(length)
            else:
                self.skip(length)

    def next_element(self, implicit: bool) -> tuple[int, bytes, int]:
        """Reads up to an element's value: its tag, its VR (empty where it is implicit) and its length in bytes."""
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
        """Passes over the value of an element without a length: a sequence, or encapsulated pixels of an icon."""
        open_items = [False]  # for every level: whether an item of the sequence is open
        encodings = [implicit]
        while open_items:
            tag, vr, length = self.next_element(encodings[-1])
            if not open_items[-1]:
                if tag == _SEQUENCE_END:
                    open_items.pop()
                    encodings.pop()
                elif tag != _ITEM:
                    raise RejectedFilm("header", "a sequence in the DICOM header holds something that is no item")
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
        """A short text without its padding; of a longer one only what tells that it is too long."""
        text = self.value(min(length, _LONGEST_TEXT + 1))
        self.skip(length - len(text))
        return text.decode("latin-1").strip(" \0")

    def value(self, length: int) -> bytes:
        value = self._stream.read(length)
        if len(value) < length:
            raise RejectedFilm("header", "the DICOM file ends before its pixel data")
        return value


def _text_value(tag: int, text: str) -> Value:
    if _TEXTS[tag] != "NumberOfFrames":
        return text
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else NOT_A_NUMBER
