"""Reads the image size in a codestream (compressed image data) and checks that it is complete, without decoding it.

JPEG and JPEG-LS: ISO/IEC 10918-1, B.2.2 (frame header). JPEG 2000 and High-Throughput JPEG 2000: ISO/IEC 15444-1, A.5.1
(SIZ).

Decoders use the size in the codestream, not the one in the DICOM header. If the two differ, the file is broken, or made
so that a few bytes decode to gigabytes.
"""

import struct
from typing import BinaryIO

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_TILE_PART, _END = b"\xff\x90", b"\xff\xd9"
_ITEM = b"\xfe\xff\x00\xe0"
_HEAD = 128 << 10  # bytes in which the image size is expected, after one or two segments of at most 64 KiB each
_FRAME_HEADERS = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7))
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


def read_head(stream: BinaryIO, offset: int) -> bytes:
    """Reads the first 128 KiB of a codestream from its fragments; fewer if it is shorter.

    Args:
        offset: of the encapsulated pixel data, which begin with an offset table.
    """
    stream.seek(offset)
    head, is_table = b"", True
    while len(head) < _HEAD:
        item = stream.read(8)
        if len(item) < 8 or item[:4] != _ITEM:
            break
        length = struct.unpack("<I", item[4:])[0]
        if is_table:
            stream.seek(stream.tell() + length)
        else:
            fragment = stream.read(min(length, _HEAD))
            head += fragment
            if len(fragment) < length:
                break
        is_table = False
    return head


def codestream_size(head: bytes) -> tuple[int, int, int] | None:
    """Returns the height, width and number of components in the header of a codestream.

    Args:
        head: the first bytes of the codestream, see `read_head`.

    Returns:
        None if no size was found; also for a JP2 file, which DICOM does not allow (PS3.5, 8.2.4).
    """
    if head.startswith(_JPEG_2000):
        return _siz(head)
    if head.startswith(_JPEG):
        return _frame_header(head)
    return None


def _siz(head: bytes) -> tuple[int, int, int] | None:
    """Returns height, width and components from the SIZ segment of a JPEG 2000 codestream."""
    if len(head) < 42:
        return None
    right, bottom, left, top = struct.unpack(">4I", head[8:24])
    return bottom - top, right - left, struct.unpack(">H", head[40:42])[0]


def _frame_header(head: bytes) -> tuple[int, int, int] | None:
    """Returns height, width and components from the frame header of a JPEG or JPEG-LS codestream."""
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
    """Whether a codestream ends with its end mark and, for JPEG 2000, contains all of its tiles.

    JPEG 2000 decoders replace missing tiles by black pixels without an error. Damage within the data is not detected,
    because JPEG and JPEG 2000 have no checksums.
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
    position, tile_indices = 2, set()
    while position + 12 <= len(codestream) - 2:
        marker = codestream[position : position + 2]
        if marker == _TILE_PART:
            index, length = struct.unpack(">HI", codestream[position + 4 : position + 10])
            if 0 < length < 12:
                return False
            tile_indices.add(index)
            position = position + length if length else len(codestream) - 2  # 0: the last one, up to the end mark
        elif tile_indices:
            return False
        else:
            position += 2 + struct.unpack(">H", codestream[position + 2 : position + 4])[0]
    return position == len(codestream) - 2 and len(tile_indices) == tiles
