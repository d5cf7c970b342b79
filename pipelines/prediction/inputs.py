"""Finds the films that a command line names: files, folders, glob patterns, gs://, or those of CBIS-DDSM in IDC."""

import collections
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.prediction.film import Film, FilmName, name_of, read_name
from pipelines.preparation.inputs import IDC_ROOT, is_idc
from preprocess.cases import catalogue
from preprocess.cases.identity import split_path
from preprocess.cases.locate import reason_to_ignore
from preprocess.files import storage
from preprocess.runtime.errors import InputError


@dataclass(frozen=True)
class Found:
    """The films of a command line.

    Attributes:
        films: each file once, in the order of their paths.
        ignored: reason -> files in the folders that cannot be films, by their names.
    """

    films: Sequence[Film]
    ignored: Mapping[str, Sequence[str]]


def find_films(patterns: Sequence[str], output_root: str) -> Found:
    """Finds the films.

    Args:
        patterns: values of `--input`.
        output_root: its files are not films.

    Raises:
        InputError: a value names no file, or cannot be listed.
    """
    named: dict[str, tuple[int, FilmName]] = {}
    ignored: dict[str, list[str]] = collections.defaultdict(list)
    for pattern in patterns:
        for path, size, name, is_listed in _find(pattern):
            if path.startswith(f"{output_root}/"):
                continue
            reason = reason_to_ignore(split_path(path)) if is_listed else ""
            if reason:
                ignored[reason].append(path)
            elif path not in named:
                named[path] = (size, name)
    if not named:
        raise InputError(
            f"{', '.join(patterns)}: contains no film; name DICOM, PNG, TIFF or JPEG files, or folders with such files"
        )
    relative = not any(os.path.isabs(pattern) for pattern in patterns)
    films = [
        Film(number, path, _shown(path, relative), size, name)
        for number, (path, (size, name)) in enumerate(sorted(named.items()))
    ]
    return Found(films, ignored)


def _shown(path: str, relative: bool) -> str:
    """Returns a path for the tables: relative to this folder if the command line names relative paths only."""
    return os.path.relpath(path) if relative and storage.is_local(path) else path


def _find(pattern: str) -> Iterator[tuple[str, int, FilmName, bool]]:
    """Yields path, size, name, and whether the file was found by listing a folder."""
    if is_idc(pattern):
        for entry in catalogue.entries():
            yield f"{IDC_ROOT}/{entry.idc_folder}/", entry.bytes, name_of(entry), False
        return
    root = storage.absolute(pattern)
    try:
        files = [] if storage.is_local(root) and os.path.isdir(root) else storage.match(root)
        listed = {} if files else storage.survey(root).files
    except OSError as error:
        raise InputError(f"{pattern}: cannot be listed ({storage.error_message(error)})") from error
    if not files and not listed:
        raise InputError(
            f"{pattern}: no such file or folder, or no file in it; name films or folders that contain films"
        )
    for path in files:
        yield path, os.path.getsize(path) if storage.is_local(path) else 0, read_name(path), False
    for below, file in listed.items():
        path = storage.join(root, file.target or below)
        yield path, file.bytes, read_name(path), True
