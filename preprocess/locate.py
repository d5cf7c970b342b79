"""Which file below the input root is which mammogram, in every layout that CBIS-DDSM comes in.

    as in the CSV       <case>/<StudyUID>/<SeriesUID>/000000.dcm          2017 downloads, buckets copied from them
    NBIA classic        <any>/<case>/<StudyUID>/<SeriesUID>/1-1.dcm       the NBIA Data Retriever's older mode
    NBIA descriptive    CBIS-DDSM/<case>/<mm-dd-yyyy>-DDSM[-NA]-<last 5 of StudyUID>/
                        1.000000-full mammogram images[-NA]-<last 5 of SeriesUID>/1-1.dcm
    converted           <folder>/<density>_<case>                         TIFF or PNG without an ending
    JPEG mirror         jpeg/<SeriesUID>/1-NNN.jpg                        8 bits, lossy

Each may lie at any depth below the root. A mammogram's file is found by what its path says, never by opening it.
Crops and ROI masks lie in folders `<case>_1`, `<case>_2` … and in series of other names or UIDs: no rule takes them.
"""

import collections
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from preprocess import schema
from preprocess.cases import Mammogram

CSV_LAYOUT, DESCRIPTIVE, CONVERTED, JPEG_MIRROR = "series UID", "NBIA descriptive", "converted", "JPEG mirror"

_STUDY = re.compile(r"\d\d-\d\d-\d{4}-DDSM(?:-NA)?-(.{5})")
_SERIES = re.compile(r"1\.0+-full mammogram images(?:-NA)?-(.{5})")
_USUAL_NAME = re.compile(r"0+\.dcm|1-0*1\.dcm")


@dataclass(frozen=True, order=True, slots=True)
class Candidate:
    """A file that may be a mammogram's, in the order of preference: lossless before lossy, DICOM first.

    Attributes:
        lossy: whether its layout holds lossily compressed images.
        rank: its layout's place, then whether its name is unusual for a film.
        path: below the input root.
    """

    lossy: bool
    rank: tuple[int, bool]
    path: str


@dataclass(frozen=True, slots=True)
class Location:
    """Where a mammogram lies: `path` and `bytes` of its file, or why there is none in `fault`.

    `spare` are the other files that hold the same mammogram and were not taken.
    """

    path: str = ""
    bytes: int = 0
    spare: tuple[str, ...] = ()
    fault: str = ""


class FileIndex:
    """The files below the input root, indexed once by what each layout's path says of them."""

    def __init__(self, files: Mapping[str, int]):
        """files: path below the input root, with `/` between folders -> size in bytes."""
        self._bytes = files
        self._index: dict[tuple[str, ...], list[Candidate]] = collections.defaultdict(list)
        for path in files:
            for key, candidate in _candidates(path):
                self._index[key].append(candidate)

    def locate(self, mammogram: Mammogram) -> Location:
        """The one file of a mammogram; a lossless one where there are several."""
        study, series = mammogram.uids
        if not series:
            return Location(fault="no study and series UID to look for")
        found = sorted(
            candidate
            for key in (
                (CSV_LAYOUT, mammogram.case, study, series),
                (DESCRIPTIVE, mammogram.case, study[-5:], series[-5:]),
                (CONVERTED, mammogram.case),
                (JPEG_MIRROR, series),
            )
            for candidate in self._index.get(key, ())
        )
        if not found:
            return Location(fault="no file of this mammogram below the input root, in any known layout")
        best, *others = found
        return Location(
            path=best.path,
            bytes=self._bytes[best.path],
            spare=tuple(candidate.path for candidate in others),
            fault=_unwritable(best) or _ambiguity(best, others) or _density_conflict(best, mammogram),
        )


def _candidates(path: str) -> Iterable[tuple[tuple[str, ...], Candidate]]:
    """The mammograms whose file `path` may be, as index keys."""
    parts = path.split("/")
    name = parts[-1]
    if set(parts[:-1]) & {*schema.IMAGE_FOLDERS.values(), schema.STAGING_FOLDER}:
        return  # what this job wrote earlier is its output, never a film
    ending = PurePosixPath(name).suffix.lower()
    if ending == ".dcm" and len(parts) >= 4:
        case, study, series = parts[-4:-1]
        unusual = not _USUAL_NAME.fullmatch(name)
        yield (CSV_LAYOUT, case, study, series), Candidate(False, (0, unusual), path)
        study_tail, series_tail = _STUDY.fullmatch(study), _SERIES.fullmatch(series)
        if study_tail and series_tail:
            yield (DESCRIPTIVE, case, study_tail[1], series_tail[1]), Candidate(False, (1, unusual), path)
    elif ending in (".jpg", ".jpeg") and len(parts) >= 2:
        yield (JPEG_MIRROR, parts[-2]), Candidate(True, (3, False), path)
    elif ending not in (".dcm", ".png", ".tif", ".tiff"):
        try:
            _, case = schema.parse_image_name(name)
        except ValueError:
            return
        yield (CONVERTED, case), Candidate(False, (2, False), path)


def _unwritable(best: Candidate) -> str:
    """Why a path cannot stand in a table: control characters, or bytes that are no text."""
    return "" if best.path.isprintable() else f"its path {best.path!a} is not printable text; rename it"


def _ambiguity(best: Candidate, others: list[Candidate]) -> str:
    """Why `best` may not be the mammogram: an equal of it lies in the same folder under no telling name."""
    folder = best.path.rpartition("/")[0]
    equals = [c.path for c in others if c.rank == best.rank and c.path.rpartition("/")[0] == folder]
    usual = best.rank in ((0, False), (1, False))
    if usual or not equals:
        return ""
    names = [path.rpartition("/")[2] for path in (best.path, *equals)]
    return f"{len(names)} files that could each be the mammogram in one folder: {', '.join(names[:4])}; leave one"


def _density_conflict(best: Candidate, mammogram: Mammogram) -> str:
    if best.rank[0] != 2:
        return ""
    density, _ = schema.parse_image_name(best.path.rpartition("/")[2])
    if str(density) == mammogram.density:
        return ""
    return f"the file's name says density {density}, the case description says {mammogram.density!r}"
