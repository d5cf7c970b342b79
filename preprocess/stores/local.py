"""Files in folders of this machine."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO


def list_files(root: str) -> Iterator[tuple[str, int]]:
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


def list_folder(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.is_file())


def match(pattern: str) -> list[str]:
    return [pattern] if os.path.isfile(pattern) else list(filter(os.path.isfile, glob.iglob(pattern)))


def exists(path: str) -> bool:
    return os.path.exists(path)


def open_for_reading(path: str, buffer: int) -> BinaryIO:  # noqa: ARG001
    return open(path, "rb")  # the system reads ahead by itself


@contextmanager
def open_for_writing(path: str) -> Iterator[BinaryIO]:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as stream:
        yield stream


def read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def write(path: str, data: bytes) -> None:
    with open_for_writing(path) as stream:
        stream.write(data)


def move(source: str, target: str) -> None:
    if os.path.exists(source) or not os.path.exists(target):
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        os.replace(source, target)


def delete(path: str) -> None:
    if os.path.exists(path):
        os.remove(path)


def delete_folder(root: str) -> None:
    if os.path.isdir(root):
        shutil.rmtree(root)


def upload(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    shutil.copyfile(source, target)


download = upload
