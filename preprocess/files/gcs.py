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

from preprocess.files.google_errors import RETRY, TIMEOUT, configure_google_client, translate_errors
from preprocess.files.listing import ListedFile, Listing
from preprocess.files.object_reader import open_object, version_of_blob
from preprocess.runtime.errors import InputError

SCHEME = "gs://"
PUBLIC_BUCKETS = frozenset(("idc-open-data",))
"""Buckets that are read without credentials: that of the Imaging Data Commons."""
_SPOOL_BYTES = 32 << 20  # larger objects are collected in a temporary file, not in memory
_LISTED = "items(name,size,generation,crc32c),nextPageToken"  # the requested fields; all would be five times as long
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


def survey(root: str) -> Listing:
    prefix = _split(f"{root.rstrip('/')}/")[1]
    return Listing(
        {
            blob.name.removeprefix(prefix): ListedFile(blob.size, version_of_blob(blob))
            for blob in _list_blobs(root, prefix)
            if not blob.name.endswith("/")
        }
    )


def list_folder(folder: str) -> Iterator[str]:
    prefix = _split(f"{folder.rstrip('/')}/")[1]
    names = (blob.name.removeprefix(prefix) for blob in _list_blobs(folder, prefix, delimiter="/"))
    return (name for name in names if name)


def list_entries(folder: str) -> Iterator[str]:
    yield from list_folder(folder)
    bucket, prefix = _split(f"{folder.rstrip('/')}/")
    with translate_errors(folder, _NO_BUCKET):
        found = _client(bucket).list_blobs(
            bucket, prefix=prefix, delimiter="/", fields="prefixes,nextPageToken", timeout=TIMEOUT, retry=RETRY
        )
        for page in found.pages:
            yield from (name.removeprefix(prefix).rstrip("/") for name in page.prefixes)


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
    return version_of_blob(blob)


def escapes_root(root: str, path: str) -> bool:  # noqa: ARG001
    return False  # there are no links


def open_for_reading(path: str, buffer: int, whole: bool) -> BinaryIO:
    with translate_errors(path):
        blob = get_blob(path)
        blob.reload(timeout=TIMEOUT, retry=RETRY)  # sets the size, and the generation from which all ranges are read
    return open_object(path, blob, buffer, ahead=whole)


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
            blob.bucket.copy_blob(blob, _client(bucket).bucket(bucket), name, timeout=TIMEOUT, retry=RETRY)
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


def sync(root: str) -> None:
    """Does nothing: an object is durable when its upload is confirmed."""


def _list_blobs(path: str, prefix: str, delimiter: str | None = None) -> Iterator[storage.Blob]:
    bucket, _ = _split(path)
    with translate_errors(path, _NO_BUCKET):
        yield from _client(bucket).list_blobs(
            bucket, prefix=prefix, delimiter=delimiter, fields=_LISTED, timeout=TIMEOUT, retry=RETRY
        )


def get_blob(path: str) -> storage.Blob:
    """Returns the client's object for a path. No request is made."""
    bucket, name = _split(path)
    return _client(bucket).bucket(bucket).blob(name)


def _split(path: str) -> tuple[str, str]:
    """Returns bucket and a/b of gs://bucket/a/b."""
    bucket, _, name = path.removeprefix(SCHEME).partition("/")
    if not _BUCKET_NAME.fullmatch(bucket):
        raise InputError(f"{path}: {bucket!r} is not a valid bucket name; expected gs://bucket/path")
    return bucket, name


def _client(bucket: str) -> storage.Client:
    return _public_client() if bucket in PUBLIC_BUCKETS else _own_client()


@functools.cache
def _public_client() -> storage.Client:
    """Returns a client without credentials, which can read public buckets without an account."""
    configure_google_client()
    return storage.Client.create_anonymous_client()


@functools.cache
def _own_client() -> storage.Client:
    configure_google_client()
    return storage.Client()
