"""Reads the case descriptions and lists the films, before the job starts."""

import io
from collections.abc import Iterator, Sequence

from preprocess.cases.descriptions import DescriptionRow, read_rows
from preprocess.files import storage
from preprocess.runtime.errors import InputError


def read_descriptions(patterns: Sequence[str], split: str) -> Iterator[DescriptionRow]:
    """Yields the rows of the case descriptions that paths and glob patterns name, each file once.

    Raises:
        InputError: a pattern matches no file, or a file is not a case description.
    """
    for path in dict.fromkeys(path for pattern in patterns for path in _files_of(pattern)):
        try:
            with storage.open_for_reading(path) as stream:
                yield from read_rows(io.TextIOWrapper(stream, "utf-8-sig", newline=""), path, split)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({storage.error_message(error)})") from error


def list_films(input_root: str, output_root: str) -> dict[str, int]:
    """Lists the files below the input root, without those of an output root inside it: path below the root -> bytes.

    Raises:
        InputError: there is no such folder, or it contains no file.
    """
    try:
        files = storage.list_files(input_root)
    except OSError as error:
        raise InputError(f"{input_root}: cannot be listed ({error})") from error
    if not files:
        raise InputError(f"{input_root}: no such folder, or no file in it; give the folder that contains the films")
    own = f"{output_root}/"
    return {path: size for path, size in files.items() if not storage.join(input_root, path).startswith(own)}


def _files_of(pattern: str) -> list[str]:
    try:
        paths = storage.match(storage.absolute(pattern))
    except OSError as error:
        raise InputError(f"{pattern}: cannot be searched for ({error})") from error
    if not paths:
        raise InputError(f"{pattern}: no such file; give the case descriptions' paths, e.g. csv/*_train_set.csv")
    return paths
