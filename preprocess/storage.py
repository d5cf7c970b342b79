"""Files, wherever they lie: a local folder, gs://, or what Beam's file systems reach. Paths are joined with `/`.

Every function that takes a path raises, where nothing else is said:

    OSError: the file or folder is missing, or may not be read or written; `strerror` says it for a person.
    InputError: there is no sign-in to a store.
    RunFailed: a store did not answer rightly for as long as it was asked.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Protocol, TypeVar, cast

from preprocess.errors import InputError, RunFailed
from preprocess.stores import gcs, local

T = TypeVar("T")
R = TypeVar("R")
BUFFER_BYTES = 8 << 20
_REQUESTS = 10  # under way at once; Google's client keeps as many connections open


class Store(Protocol):
    """What a module in `preprocess.stores` offers; `move` and `delete` may be repeated after an interruption."""

    def list_files(self, root: str) -> Iterator[tuple[str, int]]: ...
    def list_folder(self, folder: str) -> Iterator[str]: ...
    def match(self, pattern: str) -> list[str]: ...
    def exists(self, path: str) -> bool: ...
    def version(self, path: str) -> str: ...
    def leads_out(self, root: str, path: str) -> bool: ...
    def open_for_reading(self, path: str, buffer: int, whole: bool) -> BinaryIO: ...
    def open_for_writing(self, path: str) -> AbstractContextManager[BinaryIO]: ...
    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes) -> None: ...
    def move(self, source: str, target: str) -> None: ...
    def delete(self, path: str) -> None: ...
    def upload(self, source: str, target: str) -> None: ...
    def download(self, source: str, target: str) -> None: ...


def is_local(path: str) -> bool:
    return "://" not in path


def absolute(path: str) -> str:
    """A local path made absolute, as workers may run in another folder; any other path without its last `/`."""
    return os.path.abspath(os.path.expanduser(path)) if is_local(path) else path.rstrip("/")


def join(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}"


def list_files(root: str) -> dict[str, int]:
    """Every file below a folder: path below the root -> size in bytes. Empty where there is no such folder."""
    return dict(_store(root).list_files(root))


def list_folder(folder: str) -> list[str]:
    """The names of the files in a folder, sorted; those of folders in it are not among them."""
    return sorted(_store(folder).list_folder(folder))


def match(pattern: str) -> list[str]:
    """The files that a path or glob pattern names, sorted. A path that exists is itself, whatever it looks like."""
    return sorted(_store(pattern).match(pattern))


def exists(path: str) -> bool:
    return _store(path).exists(path)


def open_for_reading(path: str, buffer: int = BUFFER_BYTES, whole: bool = False) -> BinaryIO:
    """A seekable stream of the file as it is, whatever its name ends in.

    Args:
        buffer: bytes that a store is asked for at once, at least.
        whole: whether all of it will be read, so that a disk need not wait to be asked for each part.
    """
    return _store(path).open_for_reading(path, buffer, whole)


def version(path: str) -> str:
    """What changes when a file does: its size and time, or an object's generation. Empty where a store cannot tell."""
    return _store(path).version(path)


def leads_out(root: str, path: str) -> bool:
    """Whether a path below a root is, by a symbolic link, a file elsewhere."""
    return _store(path).leads_out(root, path)


def is_link(path: str) -> bool:
    """Whether a path is a symbolic link."""
    return is_local(path) and os.path.islink(path)


def open_for_writing(path: str) -> AbstractContextManager[BinaryIO]:
    """A stream into a new file, which takes its name, and the place of an older one, when it is whole; missing folders
    are made.
    """
    return _store(path).open_for_writing(path)


def read(path: str) -> bytes:
    return _store(path).read(path)


def write(path: str, data: bytes) -> None:
    """Writes a file that is whole whenever it is seen."""
    _store(path).write(path, data)


def move(pairs: Iterable[tuple[str, str]]) -> None:
    """Renames files, each from the first of its pair to the second, replacing what is there.

    May be called again after it was interrupted: a file that has been moved already is left alone.
    """

    def move_one(pair: tuple[str, str]) -> None:
        _store(pair[1]).move(*pair)

    pairs = list(pairs)
    _finish(map_items(move_one, pairs, local=all(is_local(target) for _, target in pairs)))


def delete(paths: Iterable[str]) -> None:
    """Deletes files; those that do not exist are passed over."""
    paths = list(paths)
    _finish(map_items(lambda path: _store(path).delete(path), paths, local=all(map(is_local, paths))))


def delete_folder(root: str) -> None:
    """Deletes a folder and everything below it, if it exists."""
    if is_local(root):
        local.delete_folder(root)
    else:
        delete(join(root, path) for path in list_files(root))


def upload(source: str, target: str) -> None:
    """Writes a local file to wherever `target` is."""
    _store(target).upload(source, target)


def download(source: str, target: str) -> None:
    """Writes a file, wherever it is, to a local one."""
    _store(source).download(source, target)


def map_items(do: Callable[[T], R], items: Sequence[T], local: bool, threads: int = 1) -> Iterator[R]:
    """Does something with every item, some at a time where each is a request. Keeps the order; the first error ends it.

    Args:
        threads: how many at a time on a local disk.
    """
    threads = threads if local else _REQUESTS
    if threads == 1:
        yield from map(do, items)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(do, items)
    finally:
        pool.shutdown(cancel_futures=True)


def check_writable(root: str, option: str) -> None:
    """Makes the folder if it is missing and tries to write into it.

    Args:
        option: which named it.

    Raises:
        InputError: it cannot be written to.
    """
    probe = join(root, ".writable")
    try:
        write(probe, b"")
        delete([probe])
    except (OSError, ValueError) as error:  # BeamIOError is an OSError
        raise InputError(f"{root}: cannot be written to ({reason(error)}); choose another {option}") from error


def reason(error: Exception) -> str:
    """What an OSError has to say, without the path, which the message around it names."""
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def about_output(root: str) -> Iterator[None]:
    """Says in a line what the system or a store has against a file of the output.

    Raises:
        RunFailed: the line.
    """
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"{error.filename or root}: {reason(error)}; see to that and run the same command: it goes on from what is "
            f"there"
        ) from error


def clear_unfinished(folder: str) -> None:
    """Deletes what a process that was killed has left of a file in a folder; nobody may be writing there."""
    if is_local(folder):
        local.clear_unfinished(folder)


def _store(path: str) -> Store:
    if is_local(path):
        return cast(Store, local)
    if path.startswith(gcs.SCHEME):
        return cast(Store, gcs)
    from preprocess.stores import beam_files  # imports Beam, which takes seconds and which a trainer need not have

    return cast(Store, beam_files)


def _finish(items: Iterator[None]) -> None:
    for _ in items:
        pass
