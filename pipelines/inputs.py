"""What a run reads before it starts: the case descriptions and the list of films."""

import io
from collections.abc import Iterator, Sequence

from preprocess import storage
from preprocess.cases import Row, read_rows
from preprocess.errors import InputError


def read_descriptions(patterns: Sequence[str], split: str) -> Iterator[Row]:
    """The rows of every case-description file that paths and globs name, each file once.

    Raises:
        InputError: a pattern names no file, or a file is no case description.
    """
    for path in dict.fromkeys(path for pattern in patterns for path in _files_of(pattern)):
        try:
            with storage.open_for_reading(path) as stream:
                yield from read_rows(io.TextIOWrapper(stream, "utf-8-sig", newline=""), path, split)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({storage.reason(error)})") from error


def list_films(input_root: str, output_root: str) -> dict[str, int]:
    """The files below the input root (path below it -> bytes), less those of an output root that lies within it.

    Raises:
        InputError: there is no such folder, or no file in it.
    """
    try:
        files = storage.list_files(input_root)
    except OSError as error:
        raise InputError(f"{input_root}: cannot be listed ({error})") from error
    if not files:
        raise InputError(f"{input_root}: no such folder, or no file in it; give the folder that holds the films")
    own = f"{output_root}/"
    return {path: size for path, size in files.items() if not storage.join(input_root, path).startswith(own)}


def _files_of(pattern: str) -> list[str]:
    try:
        paths = storage.match(storage.absolute(pattern))
    except OSError as error:
        raise InputError(f"{pattern}: cannot be looked for ({error})") from error
    if not paths:
        raise InputError(f"{pattern}: no such file; give the case descriptions' paths, e.g. csv/*_train_set.csv")
    return paths
