"""Reads the case descriptions (CSV files) of CBIS-DDSM and groups their rows by mammogram.

A row describes one abnormality, so several rows may describe one mammogram. A record spans two physical lines, because
a quoted path contains a newline. An error in the rows of a mammogram is stored in its `fault` and reported later.
"""

import collections
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from preprocess.contract import schema
from preprocess.runtime.errors import InputError

COLUMNS = ("patient id", "breast density", "left or right breast", "image view", "image file path")
"""The columns that are read, with underscores replaced by spaces.

The calcification files contain `breast density`, the mass files `breast_density`.
"""

_MAX_SHOWN = 200  # characters of a cell in a message; a path of the data set has about 160
_PATH_FORMAT = "<mammogram ID>/<StudyUID>/<SeriesUID>/000000.dcm"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CBIS_ID = re.compile(r"(?:Calc|Mass)-(?:Training|Test)_(P_\d+)_(LEFT|RIGHT)_(CC|MLO)")


@dataclass(frozen=True, slots=True)
class DescriptionRow:
    """One row of a case description: one abnormality. Cells are stripped; `split` is "train" or "test"."""

    split: str
    patient: str
    density: str
    side: str
    view: str
    image_path: str


@dataclass(frozen=True, slots=True)
class Mammogram:
    """One full mammogram as the case descriptions name it.

    Attributes:
        mammogram_id: e.g. "Calc-Training_P_00005_RIGHT_CC", the first folder of `image_path`; for a row without a
            usable path, made of patient, side and view.
        split: "train" or "test".
        patient, side, view: as in the CSV.
        density: as in the CSV, "1" to "4" unless `fault` is set.
        image_path: the CSV's `image file path`, `<mammogram ID>/<StudyInstanceUID>/<SeriesInstanceUID>/000000.dcm`.
        fault: a message why the mammogram cannot be used; empty if it can.
    """

    mammogram_id: str
    split: str
    patient: str
    side: str
    view: str
    density: str
    image_path: str
    fault: str = ""

    @property
    def uids(self) -> tuple[str, str]:
        """StudyInstanceUID and SeriesInstanceUID in `image_path`; empty if the path does not have four parts."""
        parts = self.image_path.split("/")
        return (parts[1], parts[2]) if len(parts) == 4 else ("", "")


def read_rows(stream: TextIO, origin: str, split: str) -> Iterator[DescriptionRow]:
    """Yields the rows of one case description.

    Args:
        stream: the text, opened with `newline=""` to keep quoted newlines.
        origin: the file name, for messages.
        split: of the mammograms in the file.

    Raises:
        InputError: a column is missing, there are no rows, or the file is not CSV.
    """
    try:
        reader = csv.reader(stream, strict=True)
        header = [name.strip().lower().replace("_", " ") for name in next(reader, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise InputError(
                f"{origin}: no column {' and no column '.join(map(repr, missing))} among "
                f"{', '.join(map(_shown, header[:20])) or 'nothing'}; give a CBIS-DDSM case description"
            )
        where = [header.index(name) for name in COLUMNS]
        count = 0
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            patient, density, side, view, path = (cells[i].strip() if i < len(cells) else "" for i in where)
            yield DescriptionRow(split, patient, density, side.upper(), view.upper(), path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{origin}: not a readable CSV file ({error}); give a CBIS-DDSM case description") from error
    if count == 0:
        raise InputError(f"{origin}: no row below its header; give a CBIS-DDSM case description")


def group_by_mammogram(rows: Iterable[DescriptionRow]) -> list[Mammogram]:
    """Returns one `Mammogram` for each split and mammogram ID, sorted by them."""
    rows_of: dict[str, list[DescriptionRow]] = collections.defaultdict(list)
    for row in rows:
        rows_of[_mammogram_id(row)].append(row)
    mammograms = []
    for mammogram_id, group in rows_of.items():
        fault = _disagreement(group) or _fault(mammogram_id, group[0])
        for split in sorted({row.split for row in group}):
            first = next(row for row in group if row.split == split)
            mammograms.append(
                Mammogram(
                    mammogram_id, split, first.patient, first.side, first.view, first.density, first.image_path, fault
                )
            )
    return sorted(mammograms, key=lambda mammogram: (mammogram.split, mammogram.mammogram_id))


def _mammogram_id(row: DescriptionRow) -> str:
    folder = row.image_path.split("/")[0]
    return folder if folder not in ("", ".", "..") else f"{row.patient}_{row.side}_{row.view}"


def _disagreement(rows: list[DescriptionRow]) -> str:
    """Returns a message if the rows of one mammogram contradict each other, else an empty string."""
    for field, values in (
        ("density", {row.density for row in rows}),
        ("patient", {row.patient for row in rows}),
        ("side", {row.side for row in rows}),
        ("view", {row.view for row in rows}),
        ("image file path", {row.image_path for row in rows}),
    ):
        if len(values) > 1:
            return f"its rows contradict each other in {field}: {', '.join(map(_shown, sorted(values)[:5]))}"
    return ""


def _fault(mammogram_id: str, row: DescriptionRow) -> str:
    """Returns a message if the first row of a mammogram is invalid, else an empty string."""
    return (
        path_fault(row.image_path)
        or name_fault("mammogram ID", mammogram_id)
        or name_fault("patient id", row.patient)
        or _contradiction(mammogram_id, row)
        or _value_fault(row)
    )


def path_fault(path: str) -> str:
    """Returns a message if an `image file path` is invalid, else an empty string."""
    parts = path.replace("\\", "/").split("/")
    if path == "":
        return "no image file path"
    if parts[0] == "" or ":" in parts[0] or ".." in parts:
        return f"image file path {_shown(path)} leaves the input root; expected {_PATH_FORMAT}"
    if "\\" in path or len(parts) != 4 or "" in parts or "." in parts:
        return f"image file path {_shown(path)} is not {_PATH_FORMAT}"
    return ""


def name_fault(what: str, name: str) -> str:
    """Returns a message if a name cannot be part of a file name, else an empty string."""
    if _SAFE_NAME.fullmatch(name):
        return ""
    return f"{what} {_shown(name)} cannot be part of a file name; expected up to 128 letters, digits, '.', '_' and '-'"


def _contradiction(mammogram_id: str, row: DescriptionRow) -> str:
    """Returns a message if patient, side and view in a mammogram ID differ from the columns."""
    match = _CBIS_ID.fullmatch(mammogram_id)
    if match is None or match.groups() == (row.patient, row.side, row.view):
        return ""
    columns = " ".join(_shown(cell)[1:-1] for cell in (row.patient, row.side, row.view))
    return f"the mammogram ID contains {' '.join(match.groups())}, the columns contain {columns}"


def _value_fault(row: DescriptionRow) -> str:
    for what, value, allowed in (
        ("density", row.density, tuple(map(str, schema.DENSITIES))),
        ("side", row.side, schema.SIDES),
        ("view", row.view, schema.VIEWS),
    ):
        if value not in allowed:
            return f"{what} {_shown(value)} is not one of {', '.join(allowed)}"
    return ""


def _shown(cell: str) -> str:
    """Formats a cell for a message: quoted, on one line, in ASCII, shortened."""
    return ascii(cell if len(cell) <= _MAX_SHOWN else f"{cell[:_MAX_SHOWN]}...")
