"""Reads an object in gs:// in ranges, and requests the next ranges while one is used."""

import io
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

from google.cloud import storage

from preprocess.files.google_errors import RETRY, TIMEOUT, translate_errors
from preprocess.runtime.errors import RunFailed

RANGES_AHEAD = 2
"""With fewer, the line is idle while a request travels; more take memory, of 8 MiB each."""

_BUFFER = 64 << 10


def open_object(path: str, blob: storage.Blob, range_bytes: int, ahead: bool) -> io.BufferedReader:
    """Opens a seekable stream of one generation of an object.

    Args:
        path: for messages.
        blob: with its size and generation.
        range_bytes: see `ObjectReader`.
        ahead: whether the object will be read from its beginning to its end.
    """
    return io.BufferedReader(ObjectReader(path, blob, range_bytes, RANGES_AHEAD if ahead else 0), _BUFFER)


class ObjectReader(io.RawIOBase):
    """The bytes of one generation of an object. Errors are converted by `translate_errors`.

    Ranges begin at multiples of their length, and the last one is kept. `BlobReader` of Google's library would request
    a range again after every step back, and opening a film takes several; it also requests nothing ahead.

    Args:
        path: for messages.
        blob: with its size and generation.
        range_bytes: number of bytes of a request.
        ahead: number of ranges that are requested before they are read.

    Attributes:
        version: see `storage.version`.
    """

    def __init__(self, path: str, blob: storage.Blob, range_bytes: int, ahead: int):
        self.name, self.version = path, version_of_blob(blob)
        self._blob, self._size, self._range_bytes, self._ahead = blob, cast(int, blob.size), range_bytes, ahead
        self._position = 0
        self._number, self._range = -1, b""
        self._requested: dict[int, Future[bytes]] = {}
        self._threads = ThreadPoolExecutor(ahead, "read-ahead") if ahead else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer) -> int:
        """Reads from one range, so possibly fewer bytes than the buffer takes; 0 at the end of the object."""
        if self._position >= self._size:
            return 0
        number, offset = divmod(self._position, self._range_bytes)
        if number != self._number:
            self._number, self._range = number, self._take(number)
        target = memoryview(buffer).cast("B")
        piece = memoryview(self._range)[offset : offset + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        """Stops requesting; does not wait for the answer to a request that was sent."""
        if self._threads and not self.closed:
            self._threads.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _take(self, number: int) -> bytes:
        """Returns a range; requests those after it."""
        if self._threads:
            wanted = range(number, min(number + 1 + self._ahead, -(-self._size // self._range_bytes)))
            for unwanted in self._requested.keys() - set(wanted):
                self._requested.pop(unwanted).cancel()
            for later in wanted:
                if later not in self._requested:
                    self._requested[later] = self._threads.submit(self._request, later)
            return self._requested.pop(number).result()
        return self._request(number)

    def _request(self, number: int) -> bytes:
        start = number * self._range_bytes
        end = min(start + self._range_bytes, self._size)
        with translate_errors(self.name):
            data = self._blob.download_as_bytes(start=start, end=end - 1, checksum=None, timeout=TIMEOUT, retry=RETRY)
        if len(data) != end - start:
            raise RunFailed(f"{self.name}: {end - start:,} bytes were requested, and {len(data):,} received")
        return data


def version_of_blob(blob: storage.Blob) -> str:
    """Returns the `storage.version` of an object whose metadata are known."""
    return f"generation {blob.generation}, CRC32C {blob.crc32c}"
