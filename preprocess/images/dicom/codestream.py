"""The size that a compressed image states in its own header, and whether all of it is there, without decoding anything.

JPEG and JPEG-LS: ISO/IEC 10918-1, B.2.2 (frame header). JPEG 2000 and High-Throughput JPEG 2000: ISO/IEC 15444-1, A.5.1
(SIZ). A decoder believes this header, not the DICOM header around it; a codestream that says something else is a
broken file at best, and at worst a few bytes that unfold into gigabytes.
"""

import struct
from typing import BinaryIO

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_TILE_PART, _END = b"\xff\x90", b"\xff\xd9"
_ITEM = b"\xfe\xff\x00\xe0"
_HEAD = 128 << 10  # where its size has to stand: before it, a segment or two of at most 64 KiB each
_FRAME_HEADERS = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7))
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


def read_head(stream: BinaryIO, offset: int) -> bytes:
    """The first bytes of encapsulated pixel data: of its fragments, without the offset table before them."""
    stream.seek(offset)
    head, table = b"", True
    while len(head) < _HEAD:
        item = stream.read(8)
        if len(item) < 8 or item[:4] != _ITEM:
            break
        length = struct.unpack("<I", item[4:])[0]
        if table:
            stream.seek(stream.tell() + length)
        else:
            held = stream.read(min(length, _HEAD))
            head += held
            if len(held) < length:
                break
        table = False
    return head


def codestream_size(head: bytes) -> tuple[int, int, int] | None:
    """Height, width and number of components as a codestream's beginning states them.

    Args:
        head: the first bytes of the codestream, as many as are at hand.

    Returns:
        None where they state no size; also for a JP2 file, which DICOM does not allow (PS3.5, 8.2.4).
    """
    if head.startswith(_JPEG_2000):
        return _siz(head)
    if head.startswith(_JPEG):
        return _frame_header(head)
    return None


def _siz(head: bytes) -> tuple[int, int, int] | None:
    if len(head) < 42:
        return None
    right, bottom, left, top = struct.unpack(">4I", head[8:24])
    return bottom - top, right - left, struct.unpack(">H", head[40:42])[0]


def _frame_header(head: bytes) -> tuple[int, int, int] | None:
    position = 2
    while position + 10 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if marker in _FRAME_HEADERS:
            return struct.unpack(">HHB", head[position + 5 : position + 10])
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
        else:
            position += 2 + struct.unpack(">H", head[position + 2 : position + 4])[0]
    return None


def is_complete(codestream: bytes) -> bool:
    """Whether a codestream goes to its end mark, and a JPEG 2000 one has its tiles, all of them, before it.

    Decoders of JPEG 2000 make black pixels of what is missing, and say nothing. What is damaged inside is another
    matter: JPEG and JPEG 2000 have no checksum that would tell.
    """
    codestream = codestream.rstrip(b"\0")  # fragments are padded
    if not codestream.endswith(_END):
        return False
    if not codestream.startswith(_JPEG_2000):
        return True
    right, bottom, _, _, tile_width, tile_height, left, top = struct.unpack(">8I", codestream[8:40])
    if not tile_width or not tile_height:
        return False
    tiles = -((left - right) // tile_width) * -((top - bottom) // tile_height)
    position, found = 2, set()
    while position + 12 <= len(codestream) - 2:
        marker = codestream[position : position + 2]
        if marker == _TILE_PART:
            index, length = struct.unpack(">HI", codestream[position + 4 : position + 10])
            if 0 < length < 12:
                return False
            found.add(index)
            position = position + length if length else len(codestream) - 2  # the last may leave its length open
        elif found:
            return False
        else:
            position += 2 + struct.unpack(">H", codestream[position + 2 : position + 4])[0]
    return position == len(codestream) - 2 and len(found) == tiles
