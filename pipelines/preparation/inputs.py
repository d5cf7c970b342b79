"""Reads the case descriptions and lists the films, before the job starts."""

import itertools
import os
from collections.abc import Iterator, Sequence

from preprocess.cases.description_file import DescriptionRow, decode, read_rows
from preprocess.cases.descriptions import Mammogram, check_splits, group_by_mammogram
from preprocess.contract import schema
from preprocess.files import storage
from preprocess.files.listing import Listing
from preprocess.runtime.errors import InputError

IDC = "idc"
"""Value of `--input`: the films are read from the bucket of the Imaging Data Commons."""

IDC_ROOT = "gs://idc-open-data"


def is_idc(path: str) -> bool:
    """Whether a value of `--input` means the Imaging Data Commons: `idc` in any spelling; `IDC` may name a folder."""
    return path.lower() == IDC and not (path != IDC and os.path.exists(path))


def read_case_descriptions(train: Sequence[str], test: Sequence[str]) -> list[Mammogram]:
    """Reads the case descriptions of both splits and groups their rows by mammogram.

    Raises:
        InputError: see `read_descriptions`; a file is given for both splits, or the splits are exchanged.
    """
    train_files, test_files = _files_of(train), _files_of(test)
    rows = itertools.chain(_read_files(train_files, schema.TRAIN), _read_files(test_files, schema.TEST))
    mammograms = group_by_mammogram(rows)
    if in_both := set(train_files) & set(test_files):
        raise InputError(
            f"{min(in_both)}: is given for both --train_csv and --test_csv; give each case description for one of them"
        )
    check_splits(mammograms)
    return mammograms


def read_descriptions(patterns: Sequence[str], split: str) -> Iterator[DescriptionRow]:
    """Yields the rows of the case descriptions that paths and glob patterns name, each file once.

    Raises:
        InputError: a pattern matches no file, or a file is not a case description.
    """
    yield from _read_files(_files_of(patterns), split)


def _read_files(paths: Sequence[str], split: str) -> Iterator[DescriptionRow]:
    for path in paths:
        try:
            data = storage.read(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({storage.error_message(error)})") from error
        yield from read_rows(decode(data, path), path, split)


def list_films(input_root: str, output_root: str) -> Listing:
    """Lists the files below the input root, without those of an output root inside it.

    Raises:
        InputError: there is no such folder, or it contains no file.
    """
    try:
        listing = storage.survey(input_root)
    except OSError as error:
        raise InputError(f"{input_root}: cannot be listed ({error})") from error
    if storage.is_local(input_root) and os.path.isfile(input_root):
        raise InputError(f"{input_root}: a file; give the folder that contains the films")
    if not listing.files and not listing.links_out:
        raise InputError(f"{input_root}: no such folder, or no file in it; give the folder that contains the films")
    own = f"{output_root}/" if storage.absolute(output_root) != storage.absolute(input_root) else ""
    if not own:
        raise InputError(f"{output_root}: --output is the same folder as --input; choose another --output")
    if f"{input_root}/".startswith(own):
        return listing  # the films are below the output, beside the files of the data set
    files = {path: file for path, file in listing.files.items() if not storage.join(input_root, path).startswith(own)}
    return Listing(files, listing.links_out)


def _files_of(patterns: Sequence[str]) -> list[str]:
    """Returns the files that paths and glob patterns name, each once."""
    found: list[str] = []
    for pattern in patterns:
        try:
            paths = storage.match(storage.absolute(pattern))
        except OSError as error:
            raise InputError(f"{pattern}: cannot be searched for ({error})") from error
        if not paths:
            raise InputError(f"{pattern}: no such file; give the case descriptions' paths, e.g. csv/*_train_set.csv")
        found += paths
    return list(dict.fromkeys(found))
