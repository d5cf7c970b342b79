"""Groups the rows of case descriptions by mammogram.

The identity of a mammogram is its collection, split, patient, side and view. It is read from the mammogram ID in the
`image file path` and compared with the columns; without one, it is looked up in the catalogue by the SeriesInstanceUID,
or consists of the columns. An error in the rows of a mammogram is stored in its `fault` and reported later.
"""

import collections
import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from preprocess.cases import catalogue
from preprocess.cases.description_file import DescriptionRow, shown
from preprocess.cases.identity import PathParts, parse_mammogram_id, split_path
from preprocess.contract import schema
from preprocess.runtime.errors import InputError

_PATH_FORMAT = "<mammogram ID>/<StudyUID>/<SeriesUID>/000000.dcm"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SPLIT_NAMES = {schema.TRAIN: "Training", schema.TEST: "Test"}
"""Split -> its name in a mammogram ID."""


@dataclass(frozen=True, slots=True)
class Mammogram:
    """One full mammogram as the case descriptions name it.

    Attributes:
        mammogram_id: e.g. "Calc-Training_P_00005_RIGHT_CC".
        split: "train" or "test".
        patient, side, view: as in the CSV.
        density: "1" to "4" unless `fault` is set.
        image_path: the CSV's `image file path`, in the original files
            `<mammogram ID>/<StudyInstanceUID>/<SeriesInstanceUID>/000000.dcm`.
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
        """StudyInstanceUID and SeriesInstanceUID in `image_path`, else in the catalogue; empty if there are none."""
        path = split_path(self.image_path)
        study, series = path.study_and_series
        entry = None if series else catalogue.by_mammogram_id().get(self.mammogram_id.lower())
        is_same = entry is not None and entry.series_uid.endswith(path.full_series_digits)
        return (entry.study_uid, entry.series_uid) if entry and is_same else (study, series)

    @property
    def series_digits(self) -> str:
        """The last five digits of the SeriesInstanceUID; empty if they are not known."""
        return self.uids[1][-5:] or split_path(self.image_path).full_series_digits


def catalogue_mammograms() -> list[Mammogram]:
    """Returns all full mammograms of CBIS-DDSM, as its case descriptions name them.

    They are sorted like the result of `group_by_mammogram`.
    """
    return group_by_mammogram(
        DescriptionRow(
            e.split, e.patient, e.density, e.side, e.view, e.image_path, e.collection.capitalize(), "the catalogue"
        )
        for e in catalogue.entries()
    )


def group_by_mammogram(rows: Iterable[DescriptionRow]) -> list[Mammogram]:
    """Returns one `Mammogram` for each split and mammogram ID, sorted by them.

    Args:
        rows: in any order. The rows of an iterator are freed while they are grouped, which saves memory.
    """
    rows_of: dict[str, list[DescriptionRow]] = collections.defaultdict(list)
    for row in rows:
        rows_of[_mammogram_id(row)].append(row)
    mammograms = []
    while rows_of:
        mammogram_id, group = rows_of.popitem()
        group.sort(key=lambda row: (not split_path(row.image_path).study_and_series[1], row.where))
        fault = _disagreement(group) or _fault(mammogram_id, group[0])
        for split in sorted({row.split for row in group}):
            r = next(row for row in group if row.split == split)
            mammograms.append(Mammogram(mammogram_id, split, r.patient, r.side, r.view, r.density, r.image_path, fault))
    return sorted(_reject_shared_series(mammograms), key=lambda mammogram: (mammogram.split, mammogram.mammogram_id))


def check_splits(mammograms: Sequence[Mammogram]) -> None:
    """Checks that the case descriptions are not given for the other split.

    Raises:
        InputError: all training mammograms are named as test mammograms of CBIS-DDSM, and all test ones as training.
    """
    other = {schema.TRAIN: SPLIT_NAMES[schema.TEST], schema.TEST: SPLIT_NAMES[schema.TRAIN]}
    if {m.split for m in mammograms} == set(other) and all(
        (found := parse_mammogram_id(m.mammogram_id)) and found[1] == other[m.split] for m in mammograms
    ):
        example = next(m.mammogram_id for m in mammograms if m.split == schema.TRAIN)
        raise InputError(
            f"--train_csv names only mammograms of the test set, such as {example}, and --test_csv only those of the "
            f"training set; exchange the two"
        )


def _mammogram_id(row: DescriptionRow) -> str:
    """Returns the mammogram ID of a row: from its path, else from the catalogue, else from its columns."""
    path = split_path(row.image_path)
    columns = f"{row.patient}_{row.side}_{row.view}"
    names = (name for name in (*path.folders, path.converted[1]) if _ends_with(name, columns))
    if name := next(iter((*path.mammogram_ids, *names)), ""):
        return name
    if entry := catalogue.by_series().get(path.study_and_series[1]):
        return entry.mammogram_id
    return f"{row.collection}-{SPLIT_NAMES[row.split]}_{columns}" if row.collection else columns


def _ends_with(name: str, columns: str) -> bool:
    """Whether a name is that of a mammogram of another data set: it ends with patient, side and view."""
    return f"_{name.lower()}".endswith((f"_{columns.lower()}", f"-{columns.lower()}"))


def _disagreement(rows: Sequence[DescriptionRow]) -> str:
    """Returns a message if the rows of one mammogram contradict each other, else an empty string."""
    for field, values in (
        ("density", {row.density for row in rows}),
        ("patient", {row.patient for row in rows}),
        ("side", {row.side for row in rows}),
        ("view", {row.view for row in rows}),
        ("image file path", {_series_or_path(row): row.image_path for row in rows}.values()),
    ):
        if len(values) > 1:
            where = f"{rows[0].where}: " if rows[0].where else ""
            return f"{where}its rows contradict each other in {field}: {', '.join(map(shown, sorted(values)[:5]))}"
    return ""


def _series_or_path(row: DescriptionRow) -> str:
    return split_path(row.image_path).series_digits or row.image_path


def _fault(mammogram_id: str, row: DescriptionRow) -> str:
    """Returns a message if the first row of a mammogram is invalid, else an empty string."""
    fault = (
        row.fault
        or path_fault(row.image_path)
        or name_fault("mammogram ID", mammogram_id)
        or name_fault("patient id", row.patient)
        or _crop_fault(row)
        or _contradiction(mammogram_id, row)
        or _value_fault(row)
    )
    return f"{row.where}: {fault}" if fault and row.where else fault


def path_fault(path: str) -> str:
    """Returns a message if an `image file path` does not identify a full mammogram, else an empty string."""
    parts = split_path(path)
    if path == "":
        return "no image file path"
    if ".." in parts.names:
        return f"image file path {shown(path)} contains '..'; expected {_PATH_FORMAT}"
    if parts.is_of_abnormality:
        return f"image file path {shown(path)} is that of a crop or ROI mask; expected that of the full mammogram"
    if not _identifies(parts):
        return (
            f"image file path {shown(path)} contains no SeriesInstanceUID and no mammogram ID; expected {_PATH_FORMAT}"
        )
    return ""


def _crop_fault(row: DescriptionRow) -> str:
    """Returns a message if the series of the `image file path` is that of the row's crop or ROI mask."""
    series = split_path(row.image_path).study_and_series[1]
    if series and series in {split_path(path).study_and_series[1] for path in row.crop_paths}:
        return f"image file path {shown(row.image_path)} contains the SeriesInstanceUID of the crop or ROI mask"
    return ""


def _identifies(path: PathParts) -> bool:
    return bool(path.study_and_series[1] or path.mammogram_ids)


def name_fault(what: str, name: str) -> str:
    """Returns a message if a name cannot be part of a file name, else an empty string."""
    if _SAFE_NAME.fullmatch(name):
        return ""
    return f"{what} {shown(name)} cannot be part of a file name; expected up to 128 letters, digits, '.', '_' and '-'"


def _contradiction(mammogram_id: str, row: DescriptionRow) -> str:
    """Returns a message if a mammogram ID differs from the columns, or the path contains several IDs."""
    found = split_path(row.image_path).mammogram_ids
    if len(found) > 1:
        return f"image file path {shown(row.image_path)} contains several mammogram IDs"
    names = parse_mammogram_id(mammogram_id)
    if names is None:
        return ""
    collection, _, *rest = names
    columns = [row.collection or collection, row.patient, row.side, row.view]
    if [name.lower() for name in (collection, *rest)] == [name.lower() for name in columns]:
        return ""
    shown_columns = " ".join(shown(cell)[1:-1] for cell in (columns if row.collection else columns[1:]))
    shown_names = " ".join((collection, *rest) if row.collection else rest)
    return f"the mammogram ID contains {shown_names}, the columns contain {shown_columns}"


def _value_fault(row: DescriptionRow) -> str:
    for what, value, allowed in (
        ("density", row.density, tuple(map(str, schema.DENSITIES))),
        ("side", row.side, schema.SIDES),
        ("view", row.view, schema.VIEWS),
    ):
        if value not in allowed:
            return f"{what} {shown(value)} is not one of {', '.join(allowed)}"
    return ""


def shared_by_mammograms(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Returns what belongs to several mammograms: series or path -> their mammogram IDs.

    Args:
        pairs: (series or path, mammogram ID).
    """
    first_of: dict[str, str] = {}
    ids_of: dict[str, set[str]] = {}
    for item, mammogram_id in pairs:
        first = first_of.setdefault(item, mammogram_id)
        if first != mammogram_id:
            ids_of.setdefault(item, {first}).add(mammogram_id)
    return ids_of


def _reject_shared_series(mammograms: Sequence[Mammogram]) -> list[Mammogram]:
    """Sets the fault of mammograms with different IDs and the same SeriesInstanceUID: they would share a film."""
    ids_of = shared_by_mammograms((series, m.mammogram_id) for m in mammograms if (series := m.uids[1]))
    faults = {
        series: f"its SeriesInstanceUID is that of {len(ids)} mammograms: {', '.join(sorted(map(ascii, ids))[:4])}"
        for series, ids in ids_of.items()
    }
    checked = []
    for mammogram in mammograms:
        fault = faults.get(mammogram.uids[1]) if faults else ""
        if fault and not mammogram.fault:
            mammogram = dataclasses.replace(mammogram, fault=fault)
        checked.append(mammogram)
    return checked
