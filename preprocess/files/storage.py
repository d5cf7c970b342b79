"""Reads, writes and lists files on a local disk and in gs://. Paths are joined with `/`.

Every function that takes a path raises, unless its docstring says otherwise:

    OSError: the file or folder is missing, or cannot be read or written; `error_message` gives the message.
    InputError: the scheme is not supported, or there are no credentials for a store.
    RunFailed: a store failed until the retries ended.
"""

import collections
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Protocol, TypeVar, cast

from preprocess.files import gcs, local
from preprocess.files.listing import Listing
from preprocess.files.object_reader import ObjectReader
from preprocess.runtime.errors import InputError, RunFailed

T = TypeVar("T")
R = TypeVar("R")
GCS_SCHEME = gcs.SCHEME
BUFFER_BYTES = 8 << 20
_REQUESTS = 10  # parallel requests; the connection pool of Google's client has this size
_AHEAD = 4  # results for each thread that may wait for their use


class Store(Protocol):
    """The functions of the modules `local` and `gcs`. `move` and `delete` may be repeated after an interruption."""

    def list_files(self, root: str) -> Iterator[tuple[str, int]]: ...
    def survey(self, root: str) -> Listing: ...
    def list_folder(self, folder: str) -> Iterator[str]: ...
    def list_entries(self, folder: str) -> Iterator[str]: ...
    def match(self, pattern: str) -> list[str]: ...
    def exists(self, path: str) -> bool: ...
    def version(self, path: str) -> str: ...
    def escapes_root(self, root: str, path: str) -> bool: ...
    def open_for_reading(self, path: str, buffer: int, whole: bool) -> BinaryIO: ...
    def open_for_writing(self, path: str) -> AbstractContextManager[BinaryIO]: ...
    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes) -> None: ...
    def move(self, source: str, target: str) -> None: ...
    def delete(self, path: str) -> None: ...
    def sync(self, root: str) -> None: ...
    def upload(self, source: str, target: str) -> None: ...
    def download(self, source: str, target: str) -> None: ...


def is_local(path: str) -> bool:
    """Whether a path is on a local disk.

    Raises:
        InputError: it has a scheme other than gs://.
    """
    if "://" not in path:
        return True
    if not is_gcs(path):
        scheme = path.partition("://")[0]
        raise InputError(f"{path}: {scheme}:// is not supported; give a local path or a gs:// path")
    return False


def is_gcs(path: str) -> bool:
    return path.startswith(GCS_SCHEME)


def bucket_of(path: str) -> str:
    """Returns gs://bucket of gs://bucket/a/b."""
    return gcs.bucket_of(path)


def absolute(path: str) -> str:
    """Makes a local path absolute, because workers may run in another folder; of other paths, removes the last `/`."""
    return os.path.abspath(os.path.expanduser(path)) if is_local(path) else path.rstrip("/")


def join(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}"


def list_files(root: str) -> dict[str, int]:
    """Lists every file below a folder: path below the root -> size in bytes. Empty if the folder does not exist."""
    return dict(_store(root).list_files(root))


def survey(root: str) -> Listing:
    """Lists every file below a folder with its version. Follows linked folders, unless they lead out of the root."""
    return _store(root).survey(root)


def list_folder(folder: str) -> list[str]:
    """Lists the names of the files directly in a folder, sorted."""
    return sorted(_store(folder).list_folder(folder))


def list_entries(folder: str) -> list[str]:
    """Lists the names of the files and folders directly in a folder, sorted. Empty if the folder does not exist."""
    return sorted(set(_store(folder).list_entries(folder)))


def match(pattern: str) -> list[str]:
    """Lists the files that a path or glob pattern names, sorted. An existing path is never interpreted as a pattern."""
    return sorted(_store(pattern).match(pattern))


def exists(path: str) -> bool:
    return _store(path).exists(path)


def open_for_reading(path: str, buffer: int = BUFFER_BYTES, whole: bool = False) -> BinaryIO:
    """Opens a seekable stream of a file's bytes. Nothing is decompressed, whatever the file is called.

    Args:
        buffer: the smallest number of bytes that is requested from a store at a time.
        whole: whether all of the file will be read, so that the system can read ahead.
    """
    return _store(path).open_for_reading(path, buffer, whole)


def version(path: str) -> str:
    """Returns a text that changes when the file does: size and time, or the generation and checksum of an object."""
    return _store(path).version(path)


def version_of(stream: BinaryIO) -> str:
    """Returns the `version` of a file that `open_for_reading` has opened."""
    raw = getattr(stream, "raw", None)
    return raw.version if isinstance(raw, ObjectReader) else local.version_of(stream)


def only_file(folder: str) -> str:
    """Returns the path of the only file directly in a folder.

    Raises:
        FileNotFoundError: the folder contains no file, or several.
    """
    names = list_folder(folder)
    if len(names) != 1:
        raise FileNotFoundError(errno.ENOENT, f"{len(names)} files; expected one in the folder", folder)
    return join(folder, names[0])


def escapes_root(root: str, path: str) -> bool:
    """Whether a path below a root leads out of it through a symbolic link."""
    return _store(path).escapes_root(root, path)


def is_link(path: str) -> bool:
    """Whether a path is a symbolic link."""
    return is_local(path) and os.path.islink(path)


def open_for_writing(path: str) -> AbstractContextManager[BinaryIO]:
    """Opens a stream into a new file, which gets its name, and replaces an older file, when the context is left.

    After an exception, nothing is left of the new file. Missing folders are created.
    """
    return _store(path).open_for_writing(path)


def read(path: str) -> bytes:
    return _store(path).read(path)


def write(path: str, data: bytes) -> None:
    """Writes a file atomically: readers get the old file or the whole new one."""
    _store(path).write(path, data)


def move(pairs: Iterable[tuple[str, str]]) -> None:
    """Renames files, each from the first path of its pair to the second, and replaces existing files.

    May be repeated after an interruption: files that were moved already are skipped.
    """

    def move_one(pair: tuple[str, str]) -> None:
        _store(pair[1]).move(*pair)

    pairs = list(pairs)
    _exhaust(map_items(move_one, pairs, local=all(is_local(target) for _, target in pairs)))


def delete(paths: Iterable[str]) -> None:
    """Deletes files; those that do not exist are skipped."""
    paths = list(paths)
    _exhaust(map_items(lambda path: _store(path).delete(path), paths, local=all(map(is_local, paths))))


def delete_folder(root: str) -> None:
    """Deletes a folder and everything below it, if it exists."""
    if is_local(root):
        local.delete_folder(root)
    else:
        delete(join(root, path) for path in list_files(root))


def sync(root: str) -> None:
    """Makes all changes below a folder durable: when this returns, a power cut loses none of them."""
    _store(root).sync(root)


def upload(source: str, target: str) -> None:
    """Copies a local file to `target`, which may be in a store."""
    _store(target).upload(source, target)


def download(source: str, target: str) -> None:
    """Copies a file, which may be in a store, to a local one."""
    _store(source).download(source, target)


def map_items(function: Callable[[T], R], items: Iterable[T], local: bool, threads: int = 1) -> Iterator[R]:
    """Calls a function with every item and yields the results in order; the first error ends the calls.

    Calls that run in parallel are at most a few items ahead of the result that is used.

    Args:
        local: whether the items are on a local disk; otherwise ten calls run in parallel.
        threads: number of parallel calls on a local disk.
    """
    threads = threads if local else _REQUESTS
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    ahead: collections.deque[Future[R]] = collections.deque()
    try:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > _AHEAD * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def check_writable(root: str, option: str) -> None:
    """Creates a folder if it is missing, and writes and deletes a file in it.

    Args:
        option: the command-line option that names the folder, for messages.

    Raises:
        InputError: it cannot be written to.
    """
    probe = join(root, ".writable")
    try:
        write(probe, b"")
        delete([probe])
    except (OSError, ValueError) as error:
        raise InputError(f"{root}: cannot be written to ({error_message(error)}); choose another {option}") from error


def error_message(error: Exception) -> str:
    """Returns the message of an OSError without the path."""
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def output_errors(root: str) -> Iterator[None]:
    """Converts OSError to RunFailed. Only operations on the output belong into the context.

    Args:
        root: of the output, for an error without a path.
    """
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"{error.filename or root}: {error_message(error)}; correct this and run the same command: it continues "
            f"with the files that are there"
        ) from error


def clear_unfinished(folder: str) -> None:
    """Deletes temporary files that killed processes left in a folder. No process may be writing there."""
    if is_local(folder):
        local.clear_unfinished(folder)


def _store(path: str) -> Store:
    return cast(Store, local if is_local(path) else gcs)


def _exhaust(items: Iterator[None]) -> None:
    for _ in items:
        pass
