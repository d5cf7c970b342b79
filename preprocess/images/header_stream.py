"""A stream for Pillow that limits how much of a file is read as its header."""

import os
from typing import BinaryIO

from preprocess.runtime.errors import RejectedFilm

_HEADER_BYTES = 8 << 20
_READ_COSTS = 256  # bytes that each read counts for at least, because a chain of small reads takes time, too


class HeaderStream:
    """A stream that limits how much is read, until `lift_limit` is called.

    Without the limit, each of the 65,535 tags of a TIFF directory could refer to the same megabytes, of which Pillow
    would keep a copy for every tag; or Pillow could read a chain of directories for hours.
    """

    def __init__(self, stream: BinaryIO, size: int):
        self._stream, self._size = stream, size
        self._left: float = _HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        if self._left < float("inf"):
            available = max(0, self._size - self._stream.tell())
            size = available if size < 0 else min(size, available)
            self._left -= max(size, _READ_COSTS)
            if self._left < 0:
                raise RejectedFilm("header", f"the image header is longer than {_HEADER_BYTES >> 20} MiB")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def fileno(self) -> int:
        return self._stream.fileno()  # libtiff reads from the descriptor

    def lift_limit(self) -> None:
        """Allows reads of any length, for the image data."""
        self._left = float("inf")
