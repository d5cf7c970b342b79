"""Objects in Google Cloud Storage, by Google's own client: retried, compared by CRC32C, every failure one line."""

import fnmatch
import functools
import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from google.cloud import storage

from preprocess.errors import InputError
from preprocess.stores.google_answers import RETRY, Exists, answers, look_briefly_for_a_sign_in

SCHEME = "gs://"
TIMEOUT = 5.0, 30.0  # seconds to connect, and without a word; well below the time in which it is tried again
NOTHING = 0
"""The generation of an object that is not there."""
_NOW = "-now"  # ends the name of an object that is written to learn what time the service has
_SPOOL_BYTES = 32 << 20
_LISTED = "items(name,size),nextPageToken"  # a tenth of what the service would say of every object
_BUCKET_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_NO_BUCKET = "there is no bucket of this name"


def bucket_of(path: str) -> str:
    """gs://bucket/a/b -> gs://bucket."""
    return SCHEME + _split(path)[0]


def list_files(root: str) -> Iterator[tuple[str, int]]:
    prefix = _split(f"{root.rstrip('/')}/")[1]
    for blob in _list_blobs(root, prefix):
        if not blob.name.endswith("/"):  # what consoles leave for an empty folder
            yield blob.name.removeprefix(prefix), blob.size


def list_folder(folder: str) -> Iterator[str]:
    prefix = _split(f"{folder.rstrip('/')}/")[1]
    names = (blob.name.removeprefix(prefix) for blob in _list_blobs(folder, prefix, delimiter="/"))
    return (name for name in names if name)


def match(pattern: str) -> list[str]:
    bucket, path = _split(pattern)
    literal = path[: min((path.find(char) for char in "*?[" if char in path), default=len(path))]
    found = [blob.name for blob in _list_blobs(pattern, literal)]
    depth = path.count("/")  # as in a folder, `*` does not reach across one
    alike = [name for name in found if name.count("/") == depth and fnmatch.fnmatchcase(name, path)]
    names = [path] if path in found else [name for name in alike if not name.endswith("/")]
    return [f"{SCHEME}{bucket}/{name}" for name in names]


def exists(path: str) -> bool:
    with answers(path):
        return _blob(path).exists(timeout=TIMEOUT, retry=RETRY)


def version(path: str) -> str:
    with answers(path):
        blob = _blob(path)
        blob.reload(timeout=TIMEOUT, retry=RETRY)
    return f"generation {blob.generation}"


def leads_out(root: str, path: str) -> bool:  # noqa: ARG001
    return False  # a store knows no links


def open_for_reading(path: str, buffer: int, whole: bool) -> BinaryIO:  # noqa: ARG001
    with answers(path):
        blob = _blob(path)
        # Its size; and its generation, so that all of it is read of one version.
        blob.reload(timeout=TIMEOUT, retry=RETRY)
    return cast(BinaryIO, io.BufferedReader(_Ranges(path, blob), buffer))


@contextmanager
def open_for_writing(path: str) -> Iterator[BinaryIO]:
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:  # so that half of a file is never sent
        yield cast(BinaryIO, spool)
        with answers(path, _NO_BUCKET):
            size = spool.seek(0, os.SEEK_END)
            _blob(path).upload_from_file(spool, rewind=True, size=size, checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def read(path: str) -> bytes:
    with answers(path):
        return _blob(path).download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def write(path: str, data: bytes) -> None:
    with answers(path, _NO_BUCKET):
        _blob(path).upload_from_string(data, checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def write_over(path: str, data: bytes, generation: int) -> int | None:
    """Writes an object only in the place of one generation of it, or of `NOTHING`.

    Returns:
        The new generation; None where another one stands there, and nothing was written.
    """
    blob = _blob(path)
    try:
        with answers(path, _NO_BUCKET):
            blob.upload_from_string(data, if_generation_match=generation, timeout=TIMEOUT, retry=RETRY)
        return blob.generation
    except Exists:
        found = read_aged(path)  # a first try may have come through and its answer been lost
        return found.generation if found and found.data == data else None


def read_aged(path: str) -> "Aged | None":
    """An object and how long ago it was written, by the service's own clock; None where there is none."""
    now, blob = _blob(f"{path}{_NOW}"), _blob(path)
    with answers(path):
        now.upload_from_string(b"", timeout=TIMEOUT, retry=RETRY)
    delete(f"{path}{_NOW}")
    try:
        with answers(path):
            data = blob.download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=RETRY)
            blob.reload(timeout=TIMEOUT, retry=RETRY)
    except FileNotFoundError:
        return None
    return Aged(data, blob.generation, (now.updated - blob.updated).total_seconds())


def delete_own(path: str, data: bytes) -> None:
    """Deletes an object that holds this content, and what `read_aged` may have left; another one stays."""
    blob = _blob(path)
    with suppress(FileNotFoundError, Exists), answers(path):
        blob.reload(timeout=TIMEOUT, retry=RETRY)
        if blob.download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=RETRY) == data:
            blob.delete(if_generation_match=blob.generation, timeout=TIMEOUT, retry=RETRY)
    delete(f"{path}{_NOW}")


@dataclass(frozen=True)
class Aged:
    """An object's content, its generation, and the seconds since it was written."""

    data: bytes
    generation: int
    seconds: float


def upload(source: str, target: str) -> None:
    with answers(target, _NO_BUCKET):
        _blob(target).upload_from_filename(source, checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def download(source: str, target: str) -> None:
    with answers(source):
        _blob(source).download_to_filename(target, checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def move(source: str, target: str) -> None:
    """Copies and deletes: a store knows no renaming."""
    blob, (bucket, name) = _blob(source), _split(target)
    try:
        with answers(source):
            blob.bucket.copy_blob(blob, _client().bucket(bucket), name, timeout=TIMEOUT, retry=RETRY)
    except FileNotFoundError:
        if not exists(target):
            raise
    delete(source)


def delete(path: str) -> None:
    try:
        with answers(path):
            _blob(path).delete(timeout=TIMEOUT, retry=RETRY)
    except FileNotFoundError:
        pass


class _Ranges(io.RawIOBase):
    """An object as a seekable stream, a request a read."""

    def __init__(self, path: str, blob: storage.Blob):
        self.name, self._blob, self._position = path, blob, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._blob.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, target) -> int:
        stop = min(self._position + len(target), self._blob.size)
        if stop <= self._position:
            return 0
        with answers(self.name):
            data = self._blob.download_as_bytes(
                start=self._position, end=stop - 1, checksum=None, timeout=TIMEOUT, retry=RETRY
            )
        target[: len(data)] = data
        self._position += len(data)
        return len(data)


def _list_blobs(path: str, prefix: str, delimiter: str | None = None) -> Iterator[storage.Blob]:
    with answers(path, _NO_BUCKET):
        yield from _client().list_blobs(
            _split(path)[0], prefix=prefix, delimiter=delimiter, fields=_LISTED, timeout=TIMEOUT, retry=RETRY
        )


def _blob(path: str) -> storage.Blob:
    bucket, name = _split(path)
    return _client().bucket(bucket).blob(name)


def _split(path: str) -> tuple[str, str]:
    """gs://bucket/a/b -> bucket, a/b."""
    bucket, _, name = path.removeprefix(SCHEME).partition("/")
    if not _BUCKET_NAME.fullmatch(bucket):
        raise InputError(f"{path}: {bucket!r} cannot be the name of a bucket; expected gs://bucket/path")
    return bucket, name


@functools.cache
def _client() -> storage.Client:
    look_briefly_for_a_sign_in()
    return storage.Client()
