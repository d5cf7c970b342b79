"""Files in folders and in Google Cloud Storage, by its own client: parallel, checksummed.

TensorFlow reads gs:// too, but only Google's service, so that nobody could try this on a machine of their own.
"""

import fnmatch
import functools
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage

from preprocess.errors import InputError

T = TypeVar("T")
SCHEME = "gs://"
_READERS = {True: 16, False: 4}  # files under way at once: requests wait for a network, a disk and a decoder do not


def is_remote(path: str) -> bool:
    return path.startswith(SCHEME)


def join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def in_bucket(bucket: str, path: str) -> str:
    """A path inside a bucket; the path itself where no bucket is named."""
    return f"{SCHEME}{bucket.removeprefix(SCHEME).strip('/')}/{path.lstrip('/')}" if bucket else path


def list_folder(folder: str) -> list[str]:
    """The names of the files in a folder, sorted; those of folders in it are not among them.

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """
    if is_remote(folder):
        prefix = _split(join(folder, ""))[1]
        names = [name.removeprefix(prefix) for name in _list_objects(folder, prefix, delimiter="/")]
        names = [name for name in names if name]
        if not names:
            raise InputError(f"{folder}: there is nothing below this name; name a folder of images")
        return sorted(names)
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); name a folder of images") from error


def match(pattern: str) -> list[str]:
    """The files that a path or glob pattern names, sorted; a path that exists is itself, whatever it looks like."""
    if not is_remote(pattern):
        return [pattern] if os.path.isfile(pattern) else sorted(filter(os.path.isfile, glob.iglob(pattern)))
    bucket, path = _split(pattern)
    literal = path[: min((path.find(char) for char in "*?[" if char in path), default=len(path))]
    found = _list_objects(pattern, literal)
    names = [path] if path in found else [name for name in found if fnmatch.fnmatchcase(name, path)]
    return sorted(f"{SCHEME}{bucket}/{name}" for name in names)


def read(path: str) -> bytes:
    """The content of a file.

    Raises:
        InputError: it cannot be read.
    """
    if is_remote(path):
        with requests_for(path):
            return _blob(path).download_as_bytes(checksum="crc32c")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def map_files(do: Callable[[str], T], paths: Sequence[str]) -> Iterator[T]:
    """Does something with every file, some at a time; the results come in the order of the paths."""
    threads = ThreadPoolExecutor(_READERS[any(map(is_remote, paths))])
    try:
        yield from threads.map(do, paths)
    finally:
        threads.shutdown(cancel_futures=True)  # the first error ends the rest


def upload(source: Path, target: str) -> None:
    """Writes a local file to gs://, checked by its CRC32C."""
    with requests_for(target):
        _blob(target).upload_from_filename(str(source), checksum="crc32c")


def download(source: str, target: Path) -> None:
    """Writes an object to a local file, checked by its CRC32C."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with requests_for(source):
        _blob(source).download_to_filename(str(target), checksum="crc32c")


def delete(path: str) -> None:
    """Deletes an object."""
    with requests_for(path):
        _blob(path).delete()


def list_tree(folder: str) -> list[str]:
    """The names of all objects below a gs:// folder, relative to it; none where there is no such folder."""
    prefix = _split(join(folder, ""))[1]
    return [name.removeprefix(prefix) for name in _list_objects(folder, prefix) if not name.endswith("/")]


@contextmanager
def requests_for(path: str) -> Iterator[None]:
    """Turns what the service or the sign-in answers into one line.

    Raises:
        InputError: a request about `path` failed.
    """
    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        said = getattr(error, "message", None) or str(error)
        raise InputError(
            f"{path}: Google Cloud Storage answers: {said.splitlines()[0]}; "
            f"check the name, the sign-in and the permission"
        ) from error


def _list_objects(path: str, prefix: str, delimiter: str | None = None) -> list[str]:
    with requests_for(path):
        found = _client().list_blobs(_split(path)[0], prefix=prefix, delimiter=delimiter)
        return [blob.name for blob in found]


def _blob(path: str) -> storage.Blob:
    bucket, name = _split(path)
    return _client().bucket(bucket).blob(name)


def _split(path: str) -> tuple[str, str]:
    """gs://bucket/a/b -> bucket, a/b."""
    bucket, _, name = path.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise InputError(f"{path}: names no bucket; expected gs://bucket/path")
    return bucket, name


@functools.cache
def _client() -> storage.Client:
    return storage.Client()
