"""Case descriptions: the rows of the CBIS-DDSM CSV files, gathered into one `Mammogram` for each full mammogram.

A row describes one abnormality, so that several rows may describe one mammogram; a record spans two physical lines,
because a newline stands inside a quoted path. What a mammogram's rows get wrong is kept with it as its `fault`, to be
reported under its name.
"""

import collections
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from preprocess import schema
from preprocess.errors import InputError

COLUMNS = ("patient id", "breast density", "left or right breast", "image view", "image file path")
"""The columns in use, underscores read as spaces: the calcification files say `breast density`, the mass files
`breast_density`."""

_LONGEST_SHOWN = 200  # characters of a cell; a path of the data set has some 160
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CBIS_CASE = re.compile(r"(?:Calc|Mass)-(?:Training|Test)_(P_\d+)_(LEFT|RIGHT)_(CC|MLO)")


@dataclass(frozen=True, slots=True)
class Row:
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
        case: the case name, e.g. "Calc-Training_P_00005_RIGHT_CC"; for a row without a usable path, put together
            from patient, side and view.
        split: "train" or "test".
        patient, side, view: as in the CSV.
        density: as in the CSV, "1" to "4" unless `fault` says otherwise.
        image_path: the CSV's `image file path`, `<case>/<StudyInstanceUID>/<SeriesInstanceUID>/000000.dcm`.
        fault: why it cannot be used, for a person; empty when it can.
    """

    case: str
    split: str
    patient: str
    side: str
    view: str
    density: str
    image_path: str
    fault: str = ""

    @property
    def uids(self) -> tuple[str, str]:
        """The study and series instance UID in `image_path`; empty where the path has not its four parts."""
        parts = self.image_path.split("/")
        return (parts[1], parts[2]) if len(parts) == 4 else ("", "")


def read_rows(stream: TextIO, origin: str, split: str) -> Iterator[Row]:
    """The rows of one case-description file.

    Args:
        stream: the text, opened with `newline=""` so that quoted newlines survive.
        origin: the file's name for messages.
        split: the split its mammograms belong to.

    Raises:
        InputError: no needed column, no row, or not CSV at all.
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
            yield Row(split, patient, density, side.upper(), view.upper(), path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{origin}: not a readable CSV file ({error}); give a CBIS-DDSM case description") from error
    if count == 0:
        raise InputError(f"{origin}: no row below its header; give a CBIS-DDSM case description")


def gather(rows: Iterable[Row]) -> list[Mammogram]:
    """One `Mammogram` for each split and case, sorted by split and case, with the fault that its rows show."""
    rows_of: dict[str, list[Row]] = collections.defaultdict(list)
    for row in rows:
        rows_of[_case_of(row)].append(row)
    mammograms = []
    for case, group in rows_of.items():
        fault = _disagreement(group) or _fault(case, group[0])
        for split in sorted({row.split for row in group}):
            first = next(row for row in group if row.split == split)
            mammograms.append(
                Mammogram(case, split, first.patient, first.side, first.view, first.density, first.image_path, fault)
            )
    return sorted(mammograms, key=lambda mammogram: (mammogram.split, mammogram.case))


def _case_of(row: Row) -> str:
    folder = row.image_path.split("/")[0]
    return folder if folder not in ("", ".", "..") else f"{row.patient}_{row.side}_{row.view}"


def _disagreement(rows: list[Row]) -> str:
    """What the rows of one mammogram contradict each other in; empty where they agree."""
    for field, said in (
        ("density", {row.density for row in rows}),
        ("patient", {row.patient for row in rows}),
        ("side", {row.side for row in rows}),
        ("view", {row.view for row in rows}),
        ("image file path", {row.image_path for row in rows}),
    ):
        if len(said) > 1:
            return f"its rows contradict each other in {field}: {', '.join(map(_shown, sorted(said)[:5]))}"
    return ""


def _fault(case: str, row: Row) -> str:
    """What is wrong with a mammogram's rows, as the first of them shows it; empty where nothing is."""
    return (
        path_fault(row.image_path)
        or name_fault("case name", case)
        or name_fault("patient id", row.patient)
        or _contradiction(case, row)
        or _value_fault(row)
    )


def path_fault(path: str) -> str:
    """What is wrong with an `image file path`; empty where nothing is."""
    parts = path.replace("\\", "/").split("/")
    if path == "":
        return "no image file path"
    if parts[0] == "" or ":" in parts[0] or ".." in parts:
        return (
            f"image file path {_shown(path)} leaves the input root; expected <case>/<StudyUID>/<SeriesUID>/000000.dcm"
        )
    if "\\" in path or len(parts) != 4 or "" in parts or "." in parts:
        return f"image file path {_shown(path)} is not <case>/<StudyUID>/<SeriesUID>/000000.dcm"
    return ""


def name_fault(what: str, name: str) -> str:
    """Why a name cannot be part of a file's name; empty where it can."""
    if _SAFE_NAME.fullmatch(name):
        return ""
    return f"{what} {_shown(name)} cannot name a file; expected up to 128 letters, digits, '.', '_' and '-'"


def _contradiction(case: str, row: Row) -> str:
    said = _CBIS_CASE.fullmatch(case)
    if said is None or said.groups() == (row.patient, row.side, row.view):
        return ""
    columns = " ".join(_shown(cell)[1:-1] for cell in (row.patient, row.side, row.view))
    return f"the case name says {' '.join(said.groups())}, its columns say {columns}"


def _value_fault(row: Row) -> str:
    for what, value, allowed in (
        ("density", row.density, tuple(map(str, schema.DENSITIES))),
        ("side", row.side, schema.SIDES),
        ("view", row.view, schema.VIEWS),
    ):
        if value not in allowed:
            return f"{what} {_shown(value)} is not one of {', '.join(allowed)}"
    return ""


def _shown(cell: str) -> str:
    """A cell as a message may show it: quoted, on one line, in ASCII, and no longer than a message can be."""
    return ascii(cell if len(cell) <= _LONGEST_SHOWN else f"{cell[:_LONGEST_SHOWN]}...")
