"""The functions of `storage.Store` for paths on a local disk."""

import ctypes
import errno
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from preprocess.files.listing import ListedFile, Listing

UNFINISHED = ".unfinished-"
"""Prefix of the temporary name of a file that is being written."""
_SYNCFS = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
"""Linux's function that writes a whole file system to the disk; one call for thousands of files. None elsewhere."""


def list_files(root: str) -> Iterator[tuple[str, int]]:
    def fail(error: OSError) -> None:
        raise error

    root = root.rstrip("/")
    if not os.path.isdir(root):
        return
    for folder, _, names in os.walk(root, onerror=fail):
        for name in names:
            path = f"{folder}/{name}"
            if os.path.isfile(path):  # false for a broken link
                yield path[len(root) + 1 :], os.path.getsize(path)


def survey(root: str) -> Listing:
    root = root.rstrip("/")
    real_root = os.path.realpath(root)
    files: dict[str, ListedFile] = {}
    links_out = []
    folders = [("", "")]  # path below the root, and if a linked folder was followed, the real path below the root
    while folders and os.path.isdir(root):
        below, target = folders.pop()
        with os.scandir(f"{root}/{below}") as entries:
            for entry in entries:
                path = f"{below}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{path}/", f"{target}{entry.name}/" if target else ""))
                elif entry.is_symlink() and (target or escapes_root(real_root, entry.path)):
                    if _is_dir(entry) and not target:  # a link below a followed link is found below its real path
                        links_out.append(path)
                    elif _is_file(entry):  # is rejected by name when it is opened
                        files[path] = _listed(entry)
                elif _is_dir(entry):
                    real = os.path.relpath(os.path.realpath(entry.path), real_root)
                    if not f"{path}/".startswith(f"{real}/") and real != ".":  # else it leads to a folder above
                        folders.append((f"{path}/", f"{real}/"))
                elif _is_file(entry):
                    real = os.path.relpath(os.path.realpath(entry.path), real_root) if entry.is_symlink() else ""
                    files[path] = _listed(entry, real or (f"{target}{entry.name}" if target else ""))
    return Listing(files, tuple(sorted(links_out)))


def _is_dir(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder or a link to one; false for a link to itself, for which the system raises."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry) -> bool:
    """Whether an entry is a file or a link to one; false for a broken link."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _listed(entry: os.DirEntry, target: str = "") -> ListedFile:
    status = entry.stat()
    return ListedFile(status.st_size, _version(status), target)


def list_folder(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.is_file())


def list_entries(folder: str) -> Iterator[str]:
    return iter(os.listdir(folder) if os.path.isdir(folder) else ())


def match(pattern: str) -> list[str]:
    return [pattern] if os.path.isfile(pattern) else list(filter(os.path.isfile, glob.iglob(pattern)))


def exists(path: str) -> bool:
    return os.path.exists(path)


def open_for_reading(path: str, buffer: int, whole: bool) -> BinaryIO:  # noqa: ARG001
    stream = open(path, "rb")  # noqa: SIM115
    if whole and hasattr(os, "posix_fadvise"):  # otherwise, the system reads only about 100 KB ahead
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
    return stream


def version(path: str) -> str:
    return _version(os.stat(path))


def version_of(stream: BinaryIO) -> str:
    return _version(os.fstat(stream.fileno()))


def _version(status: os.stat_result) -> str:
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def escapes_root(root: str, path: str) -> bool:
    if path.startswith(f"{root}/") and not _contains_link(root, path[len(root) + 1 :]):
        return False
    root = os.path.realpath(root)
    return os.path.commonpath([root, os.path.realpath(path)]) != root


def _contains_link(root: str, below: str) -> bool:
    """Whether a path below a root contains a link or `..`; takes fewer system calls than resolving both paths."""
    path = root
    for name in below.split("/"):
        path = f"{path}/{name}"
        if name == ".." or os.path.islink(path):
            return True
    return False


@contextmanager
def open_for_writing(path: str) -> Iterator[BinaryIO]:
    unfinished = os.path.join(os.path.dirname(path) or ".", f"{UNFINISHED}{uuid.uuid4().hex}")
    try:
        with _create(unfinished) as stream:
            yield stream
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.remove(unfinished)
        raise


def _create(path: str) -> BinaryIO:
    """Creates a file, and its folder if there is none."""
    try:
        return open(path, "xb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "xb")


def clear_unfinished(folder: str) -> None:
    for name in list_folder(folder):
        if name.startswith(UNFINISHED):
            delete(os.path.join(folder, name))


def read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def write(path: str, data: bytes) -> None:
    with open_for_writing(path) as stream:
        stream.write(data)


def move(source: str, target: str) -> None:
    try:
        os.replace(source, target)
    except FileNotFoundError:
        if os.path.exists(target):
            return  # moved already
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        os.replace(source, target)


def delete(path: str) -> None:
    with suppress(FileNotFoundError):
        os.remove(path)


def delete_folder(root: str) -> None:
    while os.path.isdir(root):
        try:
            shutil.rmtree(root)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise  # other errors mean that another process uses the folder: workers may outlive a killed run


def sync(root: str) -> None:
    if _SYNCFS is None:
        for folder, _, names in os.walk(root):
            for name in (*names, ""):
                _sync_file(os.path.join(folder, name))
        return
    descriptor = os.open(root, os.O_RDONLY)
    try:
        if _SYNCFS(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), root)
    finally:
        os.close(descriptor)


def _sync_file(path: str) -> None:
    """Writes a file or a folder to the disk; one that has just been deleted is skipped."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def upload(source: str, target: str) -> None:
    with open(source, "rb") as content, open_for_writing(target) as stream:
        shutil.copyfileobj(content, stream)


download = upload
