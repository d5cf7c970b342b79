"""Reads from a path which mammogram it belongs to.

Case descriptions name mammograms by paths, and downloads contain them in many folder structures. A folder or a file
name without its extension identifies a mammogram, or helps to, if it is

    a SeriesInstanceUID     unique in CBIS-DDSM; alone or after a prefix, such as `MG_` of idc-index
    a mammogram ID          e.g. Calc-Test_P_00038_LEFT_CC; unique for full mammograms; also <density>_<mammogram ID>
    1.000000-full mammogram images-63992, 1-full mammogram images-63992
                            number, description and the last five digits of the SeriesInstanceUID: the folders of the
                            NBIA Data Retriever, today's and those of 2016 to 2020; unique with the mammogram ID
    a UUID                  the folder of a series in the bucket of the Imaging Data Commons

Upper and lower case are the same.
"""

import functools
import re
from dataclasses import dataclass

_EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{0,9})$", re.ASCII)
_UID = re.compile(r"(?:[A-Za-z]+_)?(\d+(?:\.\d+){2,})", re.ASCII)
_UID_INSIDE = re.compile(r"(?<!\d)(?<!\d\.)\d+(?:\.\d+){6,}", re.ASCII)  # long enough not to be a number or a version
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_FULL_SERIES = re.compile(r"(?:\d+(?:\.\d+)?|NA)-(?!cropped|ROI mask)(?:.*-)?(\d{5})", re.IGNORECASE | re.ASCII)
_COPY = re.compile(r"(?:_FULL)?(?: ?\(\d+\)| - Copy)?$", re.IGNORECASE)  # what DDSM, browsers and Windows append
_IMAGE_EXTENSION = re.compile(r"\.(?:dcm|dicom|png|tiff?|jpe?g)$", re.IGNORECASE)
_MASKS = re.compile(
    r"(?:.*[^a-z])?(?:masks?|rois?|crops?|cropped|segmentations?|annotations?|overlays?)(?:[^a-z].*)?", re.IGNORECASE
)
_MAMMOGRAM_ID = re.compile(r"(Calc|Mass)-(Training|Test)_(P_\d+)_(LEFT|RIGHT)_(CC|MLO)", re.IGNORECASE | re.ASCII)
_ABNORMALITY = re.compile(
    rf"{_MAMMOGRAM_ID.pattern}_\d+|\d+(?:\.\d+)?-(?:cropped|ROI mask) images.*", re.IGNORECASE | re.ASCII
)
_CONVERTED = re.compile(r"([1-4])_(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PathParts:
    """A path, divided into the parts that may identify a mammogram.

    Attributes:
        folders: the names of the folders, from the root.
        name: the file name.
        stem: the file name without its extensions, and without what is appended to the names of copies.
        extension: of the file name, in lower case, without the dot; empty if there is none.
    """

    folders: tuple[str, ...]
    name: str
    stem: str
    extension: str

    @property
    def names(self) -> tuple[str, ...]:
        """The folders and the stem."""
        return (*self.folders, self.stem)

    @property
    def uids(self) -> tuple[str, ...]:
        """All UIDs: of studies, series and instances."""
        return tuple(uid for name in self.names for uid in _uids_in(name))

    @property
    def study_and_series(self) -> tuple[str, str]:
        """StudyInstanceUID and SeriesInstanceUID; empty if there is none.

        A file is in the folder of its series, which is in that of its study. A path without an extension is that of a
        folder. The name of a file is the UID of its series only if no folder has a UID; otherwise of the instance.
        """
        folders = self.folders if self.extension else self.names
        found = [uid for name in folders for uid in _uids_in(name)] or list(self.uids)
        return found[-2] if len(found) > 1 else "", found[-1] if found else ""

    @property
    def mammogram_ids(self) -> tuple[str, ...]:
        """The different mammogram IDs of CBIS-DDSM, in its spelling."""
        found = [parse_mammogram_id(name) for name in (*self.folders, self.converted[1])]
        return tuple(dict.fromkeys("{}-{}_{}_{}_{}".format(*names) for names in found if names))

    @property
    def is_of_abnormality(self) -> bool:
        """Whether a name is that of crops or ROI masks: `<mammogram ID>_1`, or NBIA's folder of such a series."""
        return any(_ABNORMALITY.fullmatch(name) for name in (*self.folders, self.converted[1]))

    @property
    def is_in_mask_folder(self) -> bool:
        """Whether a folder is named like one of masks, crops or annotations."""
        return any(_MASKS.fullmatch(name) for name in self.folders)

    @property
    def series_digits(self) -> str:
        """The last five digits of the SeriesInstanceUID, from it or from NBIA's folder; empty if there are none."""
        return self.study_and_series[1][-5:] or self.full_series_digits

    @property
    def full_series_digits(self) -> str:
        """The last five digits of a SeriesInstanceUID in NBIA's folder of a full mammogram; empty if there is none."""
        found = [match[1] for name in self.names if (match := _FULL_SERIES.fullmatch(name))]
        return found[-1] if found else ""

    @property
    def uuids(self) -> tuple[str, ...]:
        """The folders that are named by a UUID, in lower case."""
        return tuple(name.lower() for name in self.folders if _UUID.fullmatch(name))

    @property
    def converted(self) -> tuple[str, str]:
        """Density and mammogram ID of a file named `<density>_<mammogram ID>`; otherwise "" and the stem."""
        match = _CONVERTED.fullmatch(self.stem)
        return (match[1], match[2]) if match else ("", self.stem)


@functools.lru_cache(maxsize=16)
def split_path(path: str) -> PathParts:
    """Divides a path, with slashes or backslashes between its parts."""
    *folders, name = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")] or [""]
    match = _EXTENSION.search(name)
    stem, extension = (name[: match.start()], match[1].lower()) if match else (name, "")
    return PathParts(tuple(folders), name, _COPY.sub("", _IMAGE_EXTENSION.sub("", stem)), extension)


def _uids_in(name: str) -> list[str]:
    """Returns the UIDs in a name: the whole name, after a prefix, or long ones between other characters."""
    match = _UID.fullmatch(name)
    return [match[1]] if match else _UID_INSIDE.findall(name)


def parse_mammogram_id(mammogram_id: str) -> tuple[str, ...] | None:
    """Returns collection (Calc, Mass), split (Training, Test), patient, side and view; None for another name."""
    match = _MAMMOGRAM_ID.fullmatch(mammogram_id)
    if match is None:
        return None
    collection, split, *others = match.groups()
    return collection.capitalize(), split.capitalize(), *(name.upper() for name in others)
