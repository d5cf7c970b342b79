"""Reads what a codestream (compressed image data) says about its samples, and finds its end, without decoding it.

JPEG and JPEG-LS: ISO/IEC 10918-1, B.1 and B.2.2 (frame header); ISO/IEC 14495-1, C. JPEG 2000 and High-Throughput
JPEG 2000: ISO/IEC 15444-1, A.4.2 (SOT) and A.5.1 (SIZ).

Decoders use the size and the precision in the codestream, not those in the DICOM header. If the sizes differ, the file
is broken, or made so that a few bytes decode to gigabytes.
"""

import re
import struct
from dataclasses import dataclass

JPEG, JPEG_LS, JPEG_2000 = "JPEG", "JPEG-LS", "JPEG 2000"

_JPEG_START, _JPEG_2000_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
_TILE_PART, _END = b"\xff\x90", b"\xff\xd9"
_JPEG_LS_FRAME, _SCAN, _END_OF_IMAGE = 0xF7, 0xDA, 0xD9
_FRAME_HEADERS = frozenset(
    (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), _JPEG_LS_FRAME)
)
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_MARKER_AFTER_SCAN = {
    JPEG: re.compile(rb"\xff[^\x00\xd0-\xd7\xff]"),  # a 0 is stuffed after each 0xFF of coded data
    JPEG_LS: re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]"),  # a bit 0 is stuffed after each 0xFF
}
_START_OF_ANOTHER = re.compile(rb"\xff\xd8\xff|\xff\x4f\xff\x51")


@dataclass(frozen=True)
class CodestreamHeader:
    """What a codestream says about its samples.

    Attributes:
        family: `JPEG`, `JPEG_LS` or `JPEG_2000`.
        height, width: in pixels.
        components: number of channels.
        precision: bits of a sample.
        is_signed: whether the samples are signed; only the header of JPEG 2000 contains this.
        is_subsampled: whether the first channel has fewer samples than pixels (JPEG 2000, XRsiz and YRsiz).
    """

    family: str
    height: int
    width: int
    components: int
    precision: int
    is_signed: bool = False
    is_subsampled: bool = False


def parse_head(head: bytes) -> CodestreamHeader | None:
    """Returns what the header of a codestream says.

    Args:
        head: the first bytes of the codestream, see `fragments.read_head`.

    Returns:
        None if no image size was found; also for a JP2 file, which DICOM does not allow (PS3.5, 8.2.4).
    """
    if head.startswith(_JPEG_2000_START):
        return _siz(head)
    if head.startswith(_JPEG_START):
        return _frame_header(head)
    return None


def _siz(head: bytes) -> CodestreamHeader | None:
    """Reads the SIZ segment of a JPEG 2000 codestream."""
    if len(head) < 45:
        return None
    right, bottom, left, top = struct.unpack(">4I", head[8:24])
    components, depth, *steps = struct.unpack(">H3B", head[40:45])
    precision, is_signed = (depth & 0x7F) + 1, bool(depth & 0x80)
    return CodestreamHeader(
        JPEG_2000, bottom - top, right - left, components, precision, is_signed, is_subsampled=steps != [1, 1]
    )


def _frame_header(head: bytes) -> CodestreamHeader | None:
    """Reads the frame header of a JPEG or JPEG-LS codestream."""
    position = 2
    while position + 10 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if marker in _FRAME_HEADERS:
            precision, height, width, components = struct.unpack(">BHHB", head[position + 4 : position + 10])
            family = JPEG_LS if marker == _JPEG_LS_FRAME else JPEG
            return CodestreamHeader(family, height, width, components, precision)
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
        else:
            position += 2 + struct.unpack(">H", head[position + 2 : position + 4])[0]
    return None


def find_end(codestream: bytes, family: str) -> int | None:
    """Returns the position after the end mark of a codestream, which padding or other bytes may follow.

    JPEG 2000 decoders replace missing tiles by black pixels without an error. Damage within the data is not detected,
    because JPEG and JPEG 2000 have no checksums.

    Returns:
        None if the codestream has no end mark or, for JPEG 2000, does not contain all of its tiles.
    """
    return _jpeg_2000_end(codestream) if family == JPEG_2000 else _jpeg_end(codestream, family)


def contains_start(data: bytes) -> bool:
    """Whether a codestream starts within these bytes."""
    return _START_OF_ANOTHER.search(data) is not None


def _jpeg_end(codestream: bytes, family: str) -> int | None:
    position = 2
    while position + 2 <= len(codestream) and codestream[position] == 0xFF:
        marker = codestream[position + 1]
        if marker == _END_OF_IMAGE:
            return position + 2
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        if position + 4 > len(codestream):
            return None
        position += 2 + struct.unpack(">H", codestream[position + 2 : position + 4])[0]
        if marker == _SCAN:
            found = _MARKER_AFTER_SCAN[family].search(codestream, position)
            if found is None:
                return None
            position = found.start()
    return None


def _jpeg_2000_end(codestream: bytes) -> int | None:
    if len(codestream) < 40:
        return None
    right, bottom, _, _, tile_width, tile_height, left, top = struct.unpack(">8I", codestream[8:40])
    if not tile_width or not tile_height:
        return None
    tiles = -((left - right) // tile_width) * -((top - bottom) // tile_height)
    position, tile_indices = 2, set()
    while position + 4 <= len(codestream):
        marker = codestream[position : position + 2]
        if marker == _TILE_PART:
            if position + 12 > len(codestream):
                return None
            index, length = struct.unpack(">HI", codestream[position + 4 : position + 10])
            if 0 < length < 12:
                return None
            tile_indices.add(index)
            position = position + length if length else codestream.find(_END, position + 12)  # 0: up to the end mark
            if position < 0:
                return None
        elif tile_indices:
            break
        else:
            position += 2 + struct.unpack(">H", codestream[position + 2 : position + 4])[0]
    is_whole = codestream[position : position + 2] == _END and len(tile_indices) == tiles
    return position + 2 if is_whole else None
