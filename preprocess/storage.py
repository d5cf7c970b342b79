"""Files, wherever Beam's file systems reach: a local folder, gs://, s3://. Paths are joined with `/`."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from preprocess.errors import InputError

_BATCH = 100  # what one call of the object stores' batch services takes


def is_local(path: str) -> bool:
    return "://" not in path


def absolute(path: str) -> str:
    """A local path made absolute, as workers may run in another folder; any other path without its last `/`."""
    return os.path.abspath(os.path.expanduser(path)) if is_local(path) else path.rstrip("/")


def join(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}"


def list_files(root: str) -> dict[str, int]:
    """Every file below a folder: path below the root -> size in bytes. Empty where there is no such folder."""
    root = root.rstrip("/")
    quoted = re.sub(r"([*?[])", r"[\1]", root)  # Beam's patterns know no other way to quote
    matched = FileSystems.match([f"{quoted}/**"])[0].metadata_list
    return {found.path[len(root) + 1 :]: found.size_in_bytes for found in matched if not found.path.endswith("/")}


def match(pattern: str) -> list[str]:
    """The files that a path or glob pattern names, sorted."""
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


def move(pairs: Iterable[tuple[str, str]]) -> None:
    """Renames files, each from the first of its pair to the second, replacing what is there.

    May be called again after it was interrupted: a file that has been moved already is left alone.
    """
    pairs = list(pairs)
    for folder in sorted({os.path.dirname(target) for _, target in pairs if is_local(target)}):
        os.makedirs(folder, exist_ok=True)
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        try:
            FileSystems.rename([source for source, _ in batch], [target for _, target in batch])
        except BeamIOError:
            left = [(source, target) for source, target in batch if exists(source) or not exists(target)]
            if left:
                FileSystems.rename([source for source, _ in left], [target for _, target in left])


def delete(paths: Iterable[str]) -> None:
    """Deletes files; those that do not exist are passed over."""
    paths = [path for path in paths if exists(path)]
    for start in range(0, len(paths), _BATCH):
        FileSystems.delete(paths[start : start + _BATCH])


def delete_folder(root: str) -> None:
    """Deletes a folder and everything below it, if it exists."""
    if is_local(root):
        if os.path.isdir(root):
            FileSystems.delete([root])
    else:
        delete(join(root, path) for path in list_files(root))


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
