"""Finds the file of each mammogram below the input root, in every layout in which CBIS-DDSM is distributed.

    as in the CSV       <ID>/<StudyUID>/<SeriesUID>/000000.dcm            downloads of 2017, buckets copied from them
    NBIA classic        <any>/<ID>/<StudyUID>/<SeriesUID>/1-1.dcm         older mode of the NBIA Data Retriever
    NBIA descriptive    CBIS-DDSM/<ID>/<mm-dd-yyyy>-DDSM[-NA]-<last 5 digits of StudyUID>/
                        1.000000-full mammogram images[-NA]-<last 5 digits of SeriesUID>/1-1.dcm
    converted           <folder>/<density>_<ID>                           TIFF or PNG without an extension
    JPEG mirror         jpeg/<SeriesUID>/1-NNN.jpg                        8 bits, lossy

<ID> is the mammogram ID. Each layout may start at any depth below the root. Files are found by their paths and are not
opened. Crops and ROI masks are in folders `<ID>_1`, `<ID>_2` … and in series with other names or UIDs; no rule matches
them.
"""

import collections
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from preprocess.cases.descriptions import Mammogram
from preprocess.contract import schema

CSV_LAYOUT, DESCRIPTIVE, CONVERTED, JPEG_MIRROR = "series UID", "NBIA descriptive", "converted", "JPEG mirror"

_STUDY = re.compile(r"\d\d-\d\d-\d{4}-DDSM(?:-NA)?-(.{5})")
_SERIES = re.compile(r"1\.0+-full mammogram images(?:-NA)?-(.{5})")
_USUAL_NAME = re.compile(r"0+\.dcm|1-0*1\.dcm")


@dataclass(frozen=True, order=True, slots=True)
class Candidate:
    """A file that may be a mammogram's. Candidates sort by preference: lossless before lossy, DICOM first.

    Attributes:
        lossy: whether the images of its layout are compressed with loss.
        rank: the number of its layout, then whether its name is unusual for a film.
        path: below the input root.
    """

    lossy: bool
    rank: tuple[int, bool]
    path: str


@dataclass(frozen=True, slots=True)
class Location:
    """The file of a mammogram.

    Attributes:
        path: below the input root; empty if no file was found.
        bytes: size of the file.
        duplicates: paths of other files of the same mammogram, which are not used.
        fault: a message why the mammogram has no usable file; empty if it has one.
    """

    path: str = ""
    bytes: int = 0
    duplicates: tuple[str, ...] = ()
    fault: str = ""


class FileIndex:
    """Index of the files below the input root, by the mammogram that their paths name in each layout."""

    def __init__(self, files: Mapping[str, int]):
        """Builds the index.

        Args:
            files: path below the input root, with `/` between folders -> size in bytes.
        """
        self._bytes = files
        self._index: dict[tuple[str, ...], list[Candidate]] = collections.defaultdict(list)
        for path in files:
            for key, candidate in _candidates(path):
                self._index[key].append(candidate)

    def locate(self, mammogram: Mammogram) -> Location:
        """Returns the file of a mammogram; of several files, a lossless one is preferred."""
        study, series = mammogram.uids
        if not series:
            return Location(fault="no study and series UID to look for")
        found = sorted(
            candidate
            for key in (
                (CSV_LAYOUT, mammogram.mammogram_id, study, series),
                (DESCRIPTIVE, mammogram.mammogram_id, study[-5:], series[-5:]),
                (CONVERTED, mammogram.mammogram_id),
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
            duplicates=tuple(candidate.path for candidate in others),
            fault=_unprintable(best) or _ambiguity(best, others) or _density_conflict(best, mammogram),
        )


def _candidates(path: str) -> Iterable[tuple[tuple[str, ...], Candidate]]:
    """Yields the index keys of the mammograms that a path may belong to."""
    parts = path.split("/")
    name = parts[-1]
    if set(parts[:-1]) & {*schema.IMAGE_FOLDERS.values(), schema.STAGING_FOLDER}:
        return  # output of this job
    ending = PurePosixPath(name).suffix.lower()
    if ending == ".dcm" and len(parts) >= 4:
        mammogram_id, study, series = parts[-4:-1]
        unusual = not _USUAL_NAME.fullmatch(name)
        yield (CSV_LAYOUT, mammogram_id, study, series), Candidate(False, (0, unusual), path)
        study_tail, series_tail = _STUDY.fullmatch(study), _SERIES.fullmatch(series)
        if study_tail and series_tail:
            yield (DESCRIPTIVE, mammogram_id, study_tail[1], series_tail[1]), Candidate(False, (1, unusual), path)
    elif ending in (".jpg", ".jpeg") and len(parts) >= 2:
        yield (JPEG_MIRROR, parts[-2]), Candidate(True, (3, False), path)
    elif ending not in (".dcm", ".png", ".tif", ".tiff"):
        try:
            _, mammogram_id = schema.parse_image_name(name)
        except ValueError:
            return
        yield (CONVERTED, mammogram_id), Candidate(False, (2, False), path)


def _unprintable(best: Candidate) -> str:
    """Returns a message if a path cannot be written into a table (control characters, bytes that are not text)."""
    return "" if best.path.isprintable() else f"its path {best.path!a} is not printable text; rename it"


def _ambiguity(best: Candidate, others: list[Candidate]) -> str:
    """Returns a message if another file in the same folder may be the mammogram, too."""
    folder = best.path.rpartition("/")[0]
    equals = [c.path for c in others if c.rank == best.rank and c.path.rpartition("/")[0] == folder]
    usual = best.rank in ((0, False), (1, False))
    if usual or not equals:
        return ""
    names = [path.rpartition("/")[2] for path in (best.path, *equals)]
    return f"{len(names)} files that could each be the mammogram in one folder: {', '.join(names[:4])}; leave one"


def _density_conflict(best: Candidate, mammogram: Mammogram) -> str:
    """Returns a message if the name of a converted file contains another density than the case description."""
    if best.rank[0] != 2:
        return ""
    density, _ = schema.parse_image_name(best.path.rpartition("/")[2])
    if str(density) == mammogram.density:
        return ""
    return f"the file name contains density {density}, the case description contains {mammogram.density!r}"
