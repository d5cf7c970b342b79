"""Files wherever else Beam's file systems reach: hdfs://, s3://, … as far as Beam is installed with them."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from preprocess.errors import InputError


@contextmanager
def _reached(path: str) -> Iterator[None]:
    """Says in a line that Beam knows no way to a path.

    Raises:
        InputError: the line.
    """
    try:
        yield
    except (ValueError, AssertionError) as error:  # no such scheme; a library that its file system needs is missing
        raise InputError(f"{path}: Beam cannot reach it ({' '.join(str(error).split())})") from error


def list_files(root: str) -> Iterator[tuple[str, int]]:
    root = f"{root.rstrip('/')}/"
    pattern = re.sub(r"[*?[]", "?", root)  # Beam's patterns know no way to quote
    with _reached(root):
        listed = FileSystems.match([f"{pattern}**"])[0].metadata_list
    for found in listed:
        if found.path.startswith(root) and not found.path.endswith("/"):
            yield found.path[len(root) :], found.size_in_bytes


def list_folder(folder: str) -> Iterator[str]:
    return (path for path, _ in list_files(folder) if "/" not in path)


def match(pattern: str) -> list[str]:
    with _reached(pattern):
        return [found.path for found in FileSystems.match([pattern])[0].metadata_list]


def exists(path: str) -> bool:
    with _reached(path):
        return FileSystems.exists(path)


def version(path: str) -> str:  # noqa: ARG001
    return ""


def leads_out(root: str, path: str) -> bool:  # noqa: ARG001
    return False  # stores know no links


def open_for_reading(path: str, buffer: int, whole: bool) -> BinaryIO:  # noqa: ARG001
    with _reached(path):
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


@contextmanager
def open_for_writing(path: str) -> Iterator[BinaryIO]:
    with _reached(path):
        created = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    with created as stream:
        yield stream


def read(path: str) -> bytes:
    with open_for_reading(path, 0, whole=True) as stream:
        return stream.read()


def write(path: str, data: bytes) -> None:
    with open_for_writing(path) as stream:
        stream.write(data)


def move(source: str, target: str) -> None:
    try:
        FileSystems.copy([source], [target])
    except BeamIOError:
        if exists(source) or not exists(target):
            raise
    delete(source)


def delete(path: str) -> None:
    FileSystems.delete([path])  # stores do not mind what is not there


def upload(source: str, target: str) -> None:
    with open(source, "rb") as local, open_for_writing(target) as stream:
        shutil.copyfileobj(local, stream)


def download(source: str, target: str) -> None:
    with open_for_reading(source, 0, whole=True) as stream, open(target, "wb") as local:
        shutil.copyfileobj(stream, local)
