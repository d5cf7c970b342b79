"""Reads the fragments of encapsulated pixel data.

Standard: DICOM PS3.5 (2024), A.4. Lengths are compared with the size of the file before memory is allocated.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from preprocess.images.dicom.elements import ITEM_TAG, UNDEFINED
from preprocess.runtime.errors import RejectedFilm

_SEQUENCE_END = b"\xfe\xff\xdd\xe0"
_OFFSET_BYTES = 4  # of an entry of the offset table
_HEAD = 128 << 10  # bytes in which the image size is expected, after one or two segments of at most 64 KiB each


def read_fragments(stream: BinaryIO, offset: int, size: int) -> list[bytes]:
    """Reads all fragments of a film. The last one is shorter than its length if the file ends before.

    Args:
        offset: of the encapsulated pixel data, which begin with an offset table.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: the offset table lists more than one frame, or the pixel data do not consist of items.
    """
    table, *fragments = _items(stream, offset, size, "pixels")
    if table[1] > _OFFSET_BYTES:
        frames = table[1] // _OFFSET_BYTES
        raise RejectedFilm("pixels", f"its pixel data contain {frames} frames; expected one")
    return [_read(stream, *fragment) for fragment in fragments]


def read_head(stream: BinaryIO, offset: int, size: int) -> bytes:
    """Reads the first 128 KiB of a codestream from its fragments; fewer if it is shorter.

    Args:
        offset, size: see `read_fragments`.

    Raises:
        RejectedFilm: the pixel data do not consist of items.
    """
    items = _items(stream, offset, size, "header")
    next(items)
    head = b""
    for start, length in items:
        head += _read(stream, start, min(length, _HEAD))
        if len(head) >= _HEAD:
            break
    return head


def _items(stream: BinaryIO, offset: int, size: int, stage: str) -> Iterator[tuple[int, int]]:
    """Yields position and length of each item, up to the end of the sequence or of the file. The first is the table."""
    is_table = True
    while offset < size or is_table:
        tag, length = _read(stream, offset, 4), _read(stream, offset + 4, 4)
        if tag == _SEQUENCE_END and not is_table:
            return
        if tag != ITEM_TAG or len(length) < 4 or length == struct.pack("<I", UNDEFINED):
            raise RejectedFilm(stage, "its compressed pixel data are not a sequence of items with lengths")
        start, (count,) = offset + 8, struct.unpack("<I", length)
        if is_table and count > size - start:
            raise RejectedFilm(stage, "its compressed pixel data end within their offset table")
        yield start, max(0, min(count, size - start))
        offset, is_table = start + count, False


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(length)
