"""Reads the case descriptions and lists the films, before the job starts."""

from collections.abc import Iterator, Sequence

from preprocess.cases.description_file import DescriptionRow, decode, read_rows
from preprocess.files import storage
from preprocess.files.listing import Listing
from preprocess.runtime.errors import InputError

IDC = "idc"
"""Value of `--input`: the films are read from the bucket of the Imaging Data Commons."""

IDC_ROOT = "gs://idc-open-data"


def read_descriptions(patterns: Sequence[str], split: str) -> Iterator[DescriptionRow]:
    """Yields the rows of the case descriptions that paths and glob patterns name, each file once.

    Raises:
        InputError: a pattern matches no file, or a file is not a case description.
    """
    for path in dict.fromkeys(path for pattern in patterns for path in _files_of(pattern)):
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
    if not listing.files and not listing.links_out:
        raise InputError(f"{input_root}: no such folder, or no file in it; give the folder that contains the films")
    own = f"{output_root}/"
    files = {path: file for path, file in listing.files.items() if not storage.join(input_root, path).startswith(own)}
    return Listing(files, listing.links_out)


def _files_of(pattern: str) -> list[str]:
    try:
        paths = storage.match(storage.absolute(pattern))
    except OSError as error:
        raise InputError(f"{pattern}: cannot be searched for ({error})") from error
    if not paths:
        raise InputError(f"{pattern}: no such file; give the case descriptions' paths, e.g. csv/*_train_set.csv")
    return paths
