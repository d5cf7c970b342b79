"""Lists and reads the input files of a trainer, local or in gs://. An OSError becomes an InputError."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from preprocess.files import storage
from preprocess.runtime.errors import InputError

T = TypeVar("T")
_READERS = 4  # parallel reads on a disk; decoding a file takes longer than reading it


def in_bucket(bucket: str, path: str) -> str:
    """Returns a path inside a bucket; without a bucket, returns the path unchanged."""
    return (
        f"{storage.GCS_SCHEME}{bucket.removeprefix(storage.GCS_SCHEME).strip('/')}/{path.lstrip('/')}"
        if bucket
        else path
    )


def list_folder(folder: str) -> list[str]:
    """Lists the names of the files directly in a folder, sorted.

    Raises:
        InputError: the folder does not exist or cannot be listed.
    """
    with input_errors(folder, "cannot be listed", "; name a folder of images"):
        names = storage.list_folder(folder)
    if not names and not storage.is_local(folder):
        raise InputError(f"{folder}: this folder does not exist or contains no files; name a folder of images")
    return names


def match(pattern: str) -> list[str]:
    """Lists the files that a path or glob pattern names, sorted. An existing path is never taken for a pattern.

    Raises:
        InputError: they cannot be listed.
    """
    with input_errors(pattern, "cannot be listed"):
        return storage.match(pattern)


def read(path: str) -> bytes:
    """Reads the content of a file.

    Raises:
        InputError: it cannot be read.
    """
    with input_errors(path, "cannot be read"):
        return storage.read(path)


def map_files(do: Callable[[str], T], paths: Sequence[str]) -> Iterator[T]:
    """Calls a function with every path, several at a time, and yields the results in the order of the paths."""
    return storage.map_items(do, paths, local=all(map(storage.is_local, paths)), threads=_READERS)


@contextmanager
def input_errors(path: str, what: str, then: str = "") -> Iterator[None]:
    """Converts OSError to InputError.

    Args:
        path: the path that is accessed, for the message.
        what: what failed, e.g. "cannot be read".
        then: the end of the message: what the user can do.

    Raises:
        InputError: an OSError was raised within the context.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: {what} ({storage.error_message(error)}){then}") from error
