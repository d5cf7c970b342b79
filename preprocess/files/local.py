"""The functions of `storage.Store` for paths on a local disk."""

import errno
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

UNFINISHED = ".unfinished-"
"""Prefix of the temporary name of a file that is being written."""


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


def list_folder(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.is_file())


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
    status = os.stat(path)
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def escapes_root(root: str, path: str) -> bool:
    root = os.path.realpath(root)
    return os.path.commonpath([root, os.path.realpath(path)]) != root


@contextmanager
def open_for_writing(path: str) -> Iterator[BinaryIO]:
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, exist_ok=True)
    unfinished = os.path.join(folder, f"{UNFINISHED}{uuid.uuid4().hex}")
    try:
        with open(unfinished, "xb") as stream:
            yield stream
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.remove(unfinished)
        raise


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
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    try:
        os.replace(source, target)
    except FileNotFoundError:
        if not os.path.exists(target):
            raise


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


def upload(source: str, target: str) -> None:
    with open(source, "rb") as content, open_for_writing(target) as stream:
        shutil.copyfileobj(content, stream)


download = upload
