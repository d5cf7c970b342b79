"""Reads a PNG file and compares the checksums of its chunks. Pillow does not check those of the image data.

Standard: PNG (ISO/IEC 15948), 5.3 (chunk layout).
"""

import struct
import zlib
from typing import BinaryIO

from preprocess.runtime.errors import RejectedFilm

_MAGIC_BYTES = 8
_LAST = b"IEND"


def read_checked(stream: BinaryIO) -> bytes:
    """Returns the bytes of a PNG file; bytes that follow its last chunk are not checked.

    Raises:
        RejectedFilm: a chunk has another checksum than the file says, or the file ends before its last chunk does.
    """
    stream.seek(0)
    data = stream.read()
    view = memoryview(data)
    position = _MAGIC_BYTES
    while position + 12 <= len(data):
        (length,) = struct.unpack(">I", view[position : position + 4])
        end = position + 8 + length
        if end + 4 > len(data):
            break
        (checksum,) = struct.unpack(">I", view[end : end + 4])
        if zlib.crc32(view[position + 4 : end]) != checksum:
            raise RejectedFilm(
                "pixels", f"its PNG data are damaged: the checksum of the chunk at byte {position:,} is wrong"
            )
        if view[position + 4 : position + 8] == _LAST:
            return data
        position = end + 4
    raise RejectedFilm("pixels", "the PNG file is truncated: it ends before its last chunk (IEND)")
