"""Files, wherever Beam's file systems reach: a local folder, gs://, s3://. Paths are joined with `/`."""

import glob
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from preprocess.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
UNFINISHED = ".unfinished"
_REQUESTS = 16  # requests under way at once where objects are moved or deleted one by one


def is_local(path: str) -> bool:
    return "://" not in path


def absolute(path: str) -> str:
    """A local path made absolute, as workers may run in another folder; any other path without its last `/`."""
    return os.path.abspath(os.path.expanduser(path)) if is_local(path) else path.rstrip("/")


def join(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}"


def list_files(root: str) -> dict[str, int]:
    """Every file below a folder: path below the root -> size in bytes. Empty where there is no such folder.

    Raises:
        OSError: a folder below the root cannot be listed.
    """
    return dict(_walk(root) if is_local(root) else _list_objects(root))


def match(pattern: str) -> list[str]:
    """The files that a path or glob pattern names, sorted. A path that exists is itself, whatever it looks like."""
    if is_local(pattern):
        return [pattern] if os.path.isfile(pattern) else sorted(filter(os.path.isfile, glob.iglob(pattern)))
    return sorted(found.path for found in FileSystems.match([pattern])[0].metadata_list)


def exists(path: str) -> bool:
    return FileSystems.exists(path)


def open_for_reading(path: str) -> BinaryIO:
    """A seekable stream of the file as it is, whatever its name ends in."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


@contextmanager
def open_for_writing(path: str) -> Iterator[BinaryIO]:
    """A stream into a new file; missing folders are made."""
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        yield stream


def read(path: str) -> bytes:
    with open_for_reading(path) as stream:
        return stream.read()


def write(path: str, data: bytes) -> None:
    with open_for_writing(path) as stream:
        stream.write(data)


def replace(path: str, data: bytes) -> None:
    """Writes a file that is whole whenever it is seen; an object in a store always is."""
    if is_local(path):
        write(f"{path}{UNFINISHED}", data)
        os.replace(f"{path}{UNFINISHED}", path)
    else:
        write(path, data)


def move(pairs: Iterable[tuple[str, str]]) -> None:
    """Renames files, each from the first of its pair to the second, replacing what is there.

    May be called again after it was interrupted: a file that has been moved already is left alone.

    Raises:
        OSError: a file is in neither place, or cannot be moved.
    """
    pairs = list(pairs)
    _each(_move_one, pairs, local=all(is_local(target) for _, target in pairs))


def delete(paths: Iterable[str]) -> None:
    """Deletes files; those that do not exist are passed over."""
    paths = list(paths)
    _each(_delete_one, paths, local=all(map(is_local, paths)))


def delete_folder(root: str) -> None:
    """Deletes a folder and everything below it, if it exists."""
    if not is_local(root):
        delete(join(root, path) for path in list_files(root))
    elif os.path.isdir(root):
        shutil.rmtree(root)


def map_items(do: Callable[[T], R], items: Sequence[T], local: bool) -> Iterator[R]:
    """Does something with every item: one by one on a disk, some at a time where each is a request. Keeps the order."""
    if local:
        yield from map(do, items)
    else:
        with ThreadPoolExecutor(_REQUESTS) as threads:
            yield from threads.map(do, items)  # the error of a thread is raised here


def check_writable(root: str) -> None:
    """Makes the folder if it is missing and tries to write into it.

    Raises:
        InputError: it cannot be written to.
    """
    probe = join(root, ".writable")
    try:
        write(probe, b"")
        delete([probe])
    except (OSError, ValueError) as error:  # BeamIOError is an OSError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{root}: cannot be written to ({reason}); choose another --output") from error


def _walk(root: str) -> Iterator[tuple[str, int]]:
    """Beam's local listing takes no name with `[`, `*` or `?` as it is, and passes over folders it may not read."""

    def fail(error: OSError) -> None:
        raise error

    root = root.rstrip("/")
    if not os.path.isdir(root):
        return
    for folder, _, names in os.walk(root, onerror=fail):
        for name in names:
            path = f"{folder}/{name}"
            if os.path.isfile(path):  # a broken link is no file
                yield path[len(root) + 1 :], os.path.getsize(path)


def _each(do: Callable[[T], None], items: Sequence[T], local: bool) -> None:
    for _ in map_items(do, items, local):
        pass


def _move_one(pair: tuple[str, str]) -> None:
    source, target = pair
    if is_local(target):
        if os.path.exists(source) or not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(source, target)
        return
    try:
        FileSystems.copy([source], [target])
    except BeamIOError:
        if exists(source) or not exists(target):
            raise
    _delete_one(source)


def _delete_one(path: str) -> None:
    if not is_local(path):
        FileSystems.delete([path])  # object stores do not mind what is not there
    elif os.path.exists(path):
        os.remove(path)


def _list_objects(root: str) -> Iterator[tuple[str, int]]:
    root = f"{root.rstrip('/')}/"
    pattern = re.sub(r"[*?[]", "?", root)  # Beam's patterns know no way to quote
    for found in FileSystems.match([f"{pattern}**"])[0].metadata_list:
        if found.path.startswith(root) and not found.path.endswith("/"):
            yield found.path[len(root) :], found.size_in_bytes
