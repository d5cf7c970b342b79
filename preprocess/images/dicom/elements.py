"""Reads the elements of a DICOM data set one after the other, or skips them by their lengths.

Standard: DICOM PS3.5 (2024), 7.1 (elements), 7.5 (sequences), PS3.10, 7.1 (file meta information).

Nested sequences are read without recursion, and the number of elements is limited: a file that is made to keep its
reader busy is rejected within a second.
"""

import struct
from typing import BinaryIO

from preprocess.images.dicom.start import has_vr
from preprocess.runtime.errors import RejectedFilm

MAX_ELEMENTS = 100_000
"""The largest number of elements in a header; the header of a film has about 60."""
UNDEFINED = 0xFFFFFFFF
"""The length field of an element of undefined length, which ends at a delimiter (PS3.5, 7.1.1)."""
ITEM_TAG = b"\xfe\xff\x00\xe0"
"""The tag of an item, with which encapsulated pixel data begin (PS3.5, A.4)."""

_TRANSFER_SYNTAX = 0x00020010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONGEST_TEXT = 64  # characters of a UID, the longest text that is read
_LONG_LENGTH = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)  # VRs with a length field of 32 bits: PS3.5, table 7.1-1


class ElementReader:
    """Reads elements from a stream, and limits their number to `MAX_ELEMENTS`.

    Attributes:
        position: in the stream, in bytes. `BinaryIO.tell` is called only once, because it is a system call.
    """

    def __init__(self, stream: BinaryIO, size: int, is_big_endian: bool = False):
        self._stream, self._size = stream, size
        self.position = stream.tell()
        self._elements = 0
        order = ">" if is_big_endian else "<"
        self._tag_and_length, self._long, self._short = (struct.Struct(order + code) for code in ("HHI", "I", "H"))

    def read_transfer_syntax(self) -> str | None:
        """Reads the file meta information, up to its end.

        Its end is where another group begins; its element with the group length is not used. It is always Explicit VR;
        some writers omit the VRs all the same.

        Returns:
            The transfer syntax UID; None if there is none.
        """
        syntax = None
        while True:
            head = self._stream.read(8)
            self._stream.seek(self.position)
            if head[:2] != b"\x02\x00":
                return syntax
            tag, _, length = self.next_element(implicit=not has_vr(head))
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
        group, number, length = self._tag_and_length.unpack(head)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:  # items and delimiters have no VR in any syntax
            return tag, b"", length
        vr = head[4:6]
        if vr in _LONG_LENGTH:
            return tag, vr, self._long.unpack(self.value(4))[0]
        return tag, vr, self._short.unpack(head[6:])[0]

    def skip_items(self, implicit: bool) -> bool:
        """Skips the value of an element of undefined length: a sequence, or the encapsulated pixels of an icon.

        Args:
            implicit: whether the elements in it have no VRs.

        Returns:
            Whether it contains an item.
        """
        first = self._elements + 1
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
        return self._elements > first

    def is_at_end(self) -> bool:
        """Whether the last element ends where the file does."""
        return self.position == self._size

    def skip(self, length: int) -> None:
        self.position += length
        self._stream.seek(self.position)

    def number(self, length: int) -> int | None:
        """Reads a number of 16 bits; None if the value has another length."""
        if length == self._short.size:
            return self._short.unpack(self.value(length))[0]
        self.skip(length)
        return None

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
        self.position += len(value)
        if len(value) < length:
            raise RejectedFilm("header", "the DICOM file is truncated: it ends within an element before any pixel data")
        return value
