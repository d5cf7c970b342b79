"""What a trainer is told to read: files in folders and in gs://; what is not there is one line for its user."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from preprocess.files import storage
from preprocess.runtime.errors import InputError

T = TypeVar("T")
_READERS = 4  # files under way at once on a disk: a decoder takes longer than it


def in_bucket(bucket: str, path: str) -> str:
    """A path inside a bucket; the path itself where no bucket is named."""
    return (
        f"{storage.GCS_SCHEME}{bucket.removeprefix(storage.GCS_SCHEME).strip('/')}/{path.lstrip('/')}"
        if bucket
        else path
    )


def list_folder(folder: str) -> list[str]:
    """The names of the files in a folder, sorted; those of folders in it are not among them.

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """
    with input_errors(folder, "cannot be listed", "; name a folder of images"):
        names = storage.list_folder(folder)
    if not names and not storage.is_local(folder):
        raise InputError(f"{folder}: there is nothing below this name; name a folder of images")
    return names


def match(pattern: str) -> list[str]:
    """The files that a path or glob pattern names, sorted; a path that exists is itself, whatever it looks like."""
    with input_errors(pattern, "cannot be looked for"):
        return storage.match(pattern)


def read(path: str) -> bytes:
    """The content of a file.

    Raises:
        InputError: it cannot be read.
    """
    with input_errors(path, "cannot be read"):
        return storage.read(path)


def map_files(do: Callable[[str], T], paths: Sequence[str]) -> Iterator[T]:
    """Does something with every file, some at a time; the results come in the order of the paths."""
    return storage.map_items(do, paths, local=all(map(storage.is_local, paths)), threads=_READERS)


@contextmanager
def input_errors(path: str, what: str, then: str = "") -> Iterator[None]:
    """Says in a line what could not be done with a path.

    Raises:
        InputError: the system or the store says no.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: {what} ({storage.error_message(error)}){then}") from error
