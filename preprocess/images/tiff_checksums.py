"""Compares the checksums of a TIFF with deflate compression. libtiff stops before it reaches them.

Standard: TIFF 6.0 with Adobe's Photoshop technical note 2 (Deflate); RFC 1950 (zlib format, Adler-32).
"""

import zlib
from collections.abc import Iterable
from typing import BinaryIO

from preprocess.runtime.errors import RejectedFilm

_BLOCK = 1 << 20
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_deflate(stream: BinaryIO, parts: Iterable[tuple[int, int]], is_reversed: bool) -> int:
    """Checks that each strip or tile is a whole zlib stream with the right checksum.

    Args:
        parts: offset and number of bytes of each strip or tile.
        is_reversed: whether the bits of each byte are stored from the last to the first (FillOrder 2).

    Returns:
        The number of bytes of all strips or tiles without compression.

    Raises:
        RejectedFilm: one is not.
    """
    inflated = 0
    for offset, count in parts:
        stream.seek(offset)
        inflater = zlib.decompressobj()
        try:
            while count > 0 and not inflater.eof:
                block = stream.read(min(count, _BLOCK))
                count = count - len(block) if block else 0
                block = block.translate(_REVERSED) if is_reversed else block
                while block and not inflater.eof:
                    inflated += len(inflater.decompress(block, _BLOCK))
                    block = inflater.unconsumed_tail
        except zlib.error:
            pass
        if not inflater.eof:
            raise RejectedFilm(
                "pixels", f"its TIFF data are damaged: the checksum of the strip or tile at byte {offset:,} is wrong"
            )
    return inflated
