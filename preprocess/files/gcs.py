"""The functions of `storage.Store` for gs:// paths, with Google's client library.

Requests are retried, whole objects are checked with CRC32C, and errors have messages of one line.
"""

import fnmatch
import functools
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from google.cloud import storage
from google.cloud.storage.fileio import BlobReader

from preprocess.files.google_errors import RETRY, limit_credential_search, translate_errors
from preprocess.runtime.errors import InputError

SCHEME = "gs://"
TIMEOUT = 5.0, 30.0
"""Seconds to connect, and to wait for the next bytes; well below the time for which a request is retried."""
_SPOOL_BYTES = 32 << 20  # larger objects are collected in a temporary file, not in memory
_LISTED = "items(name,size),nextPageToken"  # the requested fields; without it, answers are ten times as long
_BUCKET_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_NO_BUCKET = "there is no bucket of this name"


def bucket_of(path: str) -> str:
    """Returns gs://bucket of gs://bucket/a/b."""
    return SCHEME + _split(path)[0]


def list_files(root: str) -> Iterator[tuple[str, int]]:
    prefix = _split(f"{root.rstrip('/')}/")[1]
    for blob in _list_blobs(root, prefix):
        if not blob.name.endswith("/"):  # consoles create such objects for empty folders
            yield blob.name.removeprefix(prefix), blob.size


def list_folder(folder: str) -> Iterator[str]:
    prefix = _split(f"{folder.rstrip('/')}/")[1]
    names = (blob.name.removeprefix(prefix) for blob in _list_blobs(folder, prefix, delimiter="/"))
    return (name for name in names if name)


def match(pattern: str) -> list[str]:
    bucket, path = _split(pattern)
    literal = path[: min((path.find(char) for char in "*?[" if char in path), default=len(path))]
    found = [blob.name for blob in _list_blobs(pattern, literal)]
    depth = path.count("/")  # as on a disk, `*` does not match a slash
    alike = [name for name in found if name.count("/") == depth and fnmatch.fnmatchcase(name, path)]
    names = [path] if path in found else [name for name in alike if not name.endswith("/")]
    return [f"{SCHEME}{bucket}/{name}" for name in names]


def exists(path: str) -> bool:
    with translate_errors(path):
        return get_blob(path).exists(timeout=TIMEOUT, retry=RETRY)


def version(path: str) -> str:
    with translate_errors(path):
        blob = get_blob(path)
        blob.reload(timeout=TIMEOUT, retry=RETRY)
    return f"generation {blob.generation}"


def escapes_root(root: str, path: str) -> bool:  # noqa: ARG001
    return False  # there are no links


def open_for_reading(path: str, buffer: int, whole: bool) -> BinaryIO:  # noqa: ARG001
    with translate_errors(path):
        blob = get_blob(path)
        blob.reload(timeout=TIMEOUT, retry=RETRY)  # sets the size, and the generation from which all ranges are read
    return cast(BinaryIO, _ObjectReader(path, blob, buffer))


@contextmanager
def open_for_writing(path: str) -> Iterator[BinaryIO]:
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:  # is uploaded when it is complete
        yield cast(BinaryIO, spool)
        with translate_errors(path, _NO_BUCKET):
            size = spool.seek(0, os.SEEK_END)
            get_blob(path).upload_from_file(
                spool, rewind=True, size=size, checksum="crc32c", timeout=TIMEOUT, retry=RETRY
            )


def read(path: str) -> bytes:
    with translate_errors(path):
        return get_blob(path).download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def write(path: str, data: bytes) -> None:
    with translate_errors(path, _NO_BUCKET):
        get_blob(path).upload_from_string(data, checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def upload(source: str, target: str) -> None:
    with translate_errors(target, _NO_BUCKET):
        get_blob(target).upload_from_filename(source, checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def download(source: str, target: str) -> None:
    with translate_errors(source):
        get_blob(source).download_to_filename(target, checksum="crc32c", timeout=TIMEOUT, retry=RETRY)


def move(source: str, target: str) -> None:
    """Copies and deletes, because objects cannot be renamed."""
    blob, (bucket, name) = get_blob(source), _split(target)
    try:
        with translate_errors(source):
            blob.bucket.copy_blob(blob, _client().bucket(bucket), name, timeout=TIMEOUT, retry=RETRY)
    except FileNotFoundError:
        if not exists(target):
            raise
    delete(source)


def delete(path: str) -> None:
    try:
        with translate_errors(path):
            get_blob(path).delete(timeout=TIMEOUT, retry=RETRY)
    except FileNotFoundError:
        pass


class _ObjectReader(BlobReader):
    """A seekable stream of one generation of an object. Errors are converted by `translate_errors`."""

    def __init__(self, path: str, blob: storage.Blob, chunk_size: int):
        super().__init__(blob, chunk_size, RETRY, timeout=TIMEOUT)
        self.name = path

    def read(self, size: int = -1) -> bytes:
        with translate_errors(self.name):
            return super().read(size)


def _list_blobs(path: str, prefix: str, delimiter: str | None = None) -> Iterator[storage.Blob]:
    with translate_errors(path, _NO_BUCKET):
        yield from _client().list_blobs(
            _split(path)[0], prefix=prefix, delimiter=delimiter, fields=_LISTED, timeout=TIMEOUT, retry=RETRY
        )


def get_blob(path: str) -> storage.Blob:
    """Returns the client's object for a path. No request is made."""
    bucket, name = _split(path)
    return _client().bucket(bucket).blob(name)


def _split(path: str) -> tuple[str, str]:
    """Returns bucket and a/b of gs://bucket/a/b."""
    bucket, _, name = path.removeprefix(SCHEME).partition("/")
    if not _BUCKET_NAME.fullmatch(bucket):
        raise InputError(f"{path}: {bucket!r} is not a valid bucket name; expected gs://bucket/path")
    return bucket, name


@functools.cache
def _client() -> storage.Client:
    limit_credential_search()
    return storage.Client()
