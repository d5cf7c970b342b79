"""Finds the files of each mammogram below the input root by the identity in their paths, whatever the layout is.

A path belongs to a mammogram if it contains (see `identity`)

    its SeriesInstanceUID
    the folder of its series in the bucket of the Imaging Data Commons
    its mammogram ID, and below it the last five digits of its SeriesInstanceUID in the folder of a full mammogram
    its mammogram ID as the file name, alone or as `<density>_<mammogram ID>`

Files are not opened. Crops and ROI masks are in series with other UIDs and descriptions, and in folders
`<mammogram ID>_1`, `<mammogram ID>_2` …; no rule matches them.
"""

import collections
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from preprocess.cases import catalogue
from preprocess.cases.descriptions import Mammogram
from preprocess.cases.identity import PathParts, split_path
from preprocess.contract import schema
from preprocess.files.listing import Listing

DICOM, IMAGE, LOSSY = range(3)
"""The kinds of copies, in the order of preference: the DICOM file, a lossless image made from it, a JPEG."""

_OWN_FOLDERS = frozenset((*schema.IMAGE_FOLDERS.values(), schema.STAGING_FOLDER))
_LOSSY_EXTENSIONS = ("jfif", "jpe", "jpeg", "jpg")
_IMAGE_EXTENSIONS = ("png", "tif", "tiff")
_OTHER_EXTENSIONS = (
    "aria2", "crdownload", "csv", "db", "dvc", "htm", "html", "icloud", "ini", "json", "lnk", "log", "md", "md5",
    "part", "pdf", "sha256", "tmp", "tsv", "txt", "url", "xls", "xlsx", "xml", "yaml",
)  # fmt: skip
_OTHER_NAMES = ("dicomdir", "license", "readme")
_SYSTEM_FOLDERS = (
    "@eadir", "$recycle.bin", "system volume information", ".git", ".ipynb_checkpoints", ".trash", ".trashes",
)  # fmt: skip
_ARCHIVE_EXTENSIONS = ("7z", "gz", "rar", "tar", "tgz", "zip")

ARCHIVE = "it is an archive, and archives are not unpacked"
OWN_OUTPUT = "it is an image of a data set that this job has made"
"""`ARCHIVE` and `OWN_OUTPUT` are two of the reasons that `reason_to_ignore` returns."""

Key = str
"""An identity of a mammogram as one text: the kind of identity and its names, separated by `/`."""


@dataclass(frozen=True, order=True, slots=True)
class FilmFile:
    """A file of a mammogram. Files sort by preference.

    Attributes:
        kind: `DICOM`, `IMAGE` or `LOSSY`, by its name.
        path: below the input root; a folder with one object if it ends with `/`.
        bytes, version: see `ListedFile`.
    """

    kind: int
    path: str
    bytes: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Location:
    """The files of a mammogram.

    Attributes:
        files: in the order of preference; empty if there is none.
        fault: a message why the mammogram has no usable file; empty if it has one.
    """

    files: tuple[FilmFile, ...] = ()
    fault: str = ""


class FilmIndex(Protocol):
    """Finds the files of mammograms: the interface of `FileIndex` and `IdcIndex`.

    Attributes:
        paths: of all files that were searched.
        links_out: see `Listing`.
    """

    paths: tuple[str, ...]
    links_out: tuple[str, ...]

    def locate(self, mammogram: Mammogram) -> Location:
        """Returns the files of a mammogram."""
        ...


class FileIndex:
    """Index of the files below the input root, by the identities in their paths.

    It needs some 0.3 KB a file, so the main program deletes it before the plan is made.

    Attributes:
        paths: of all files.
        links_out: see `Listing`.
    """

    def __init__(self, listing: Listing):
        """Builds the index."""
        self.paths, self.links_out = tuple(listing.files), listing.links_out
        self._first: dict[Key, FilmFile] = {}
        self._others: dict[Key, list[FilmFile]] = collections.defaultdict(list)
        self._densities: set[tuple[FilmFile, str]] = set()  # (file, density in its name)
        for path, file in listing.files.items():
            parts = split_path(path)
            if not reason_to_ignore(parts):
                film = FilmFile(_kind(parts), file.target or path, file.bytes, file.version)
                if density := parts.converted[0]:
                    self._densities.add((film, density))
                for key in keys_in(parts):
                    if self._first.setdefault(key, film) is not film:
                        self._others[key].append(film)

    def locate(self, mammogram: Mammogram) -> Location:
        """Returns the files of a mammogram."""
        found = {film for key in keys_of(mammogram) for film in self._find(key)}
        if not found:
            return Location(fault="no file of this mammogram below the input root, in any known layout")
        # A file and the links to it count once, with the least preferred kind.
        by_path = {film.path: film for film in sorted(found)}
        files = tuple(sorted(by_path.values()))
        preferred = [film for film in found if film.kind == files[0].kind]
        return Location(files, _unprintable(files[0]) or self._density_conflict(preferred, mammogram))

    def _find(self, key: Key) -> Iterator[FilmFile]:
        """Yields the files whose paths contain an identity."""
        if key in self._first:
            yield self._first[key]
            yield from self._others.get(key, ())

    def _density_conflict(self, files: Iterable[FilmFile], mammogram: Mammogram) -> str:
        """Returns a message if the name of a file contains another density than the case description."""
        for density in map(str, schema.DENSITIES):
            if density != mammogram.density and any((file, density) in self._densities for file in files):
                return f"the file name contains density {density}, the case description contains {mammogram.density!r}"
        return ""


def keys_of(mammogram: Mammogram) -> Iterator[Key]:
    """Yields the identities by which the files of a mammogram are found."""
    mammogram_id, (_, series) = mammogram.mammogram_id.lower(), mammogram.uids
    yield file_name_key(mammogram_id)
    if mammogram.series_digits:
        yield f"folders/{mammogram_id}/{mammogram.series_digits}"
    if series:
        yield f"series/{series}"
        if entry := catalogue.by_series().get(series):
            yield f"IDC folder/{entry.idc_folder}"


def keys_in(parts: PathParts) -> set[Key]:
    """Returns the identities in a path."""
    keys = {f"series/{uid}" for uid in parts.uids}
    keys |= {f"IDC folder/{uuid}" for uuid in parts.uuids}
    if parts.full_series_digits:
        keys |= {f"folders/{folder.lower()}/{parts.full_series_digits}" for folder in parts.folders}
    if parts.is_of_abnormality or parts.is_in_mask_folder:
        return keys  # a crop or a mask may be named like its mammogram
    return keys | {file_name_key(parts.converted[1])}


def file_name_key(name: str) -> Key:
    """Returns the identity of a file that is named by its mammogram ID."""
    return f"file name/{name.lower()}"


def reason_to_ignore(parts: PathParts) -> str:
    """Returns why a file cannot be a film, whatever mammogram its path names; otherwise an empty string."""
    if parts.name.startswith("._") or "__macosx" in (folder.lower() for folder in parts.folders):
        return "it is a file that macOS adds to a copy"
    if not _OWN_FOLDERS.isdisjoint(parts.folders):
        return OWN_OUTPUT
    if parts.extension in _ARCHIVE_EXTENSIONS or parts.name.lower().endswith(".7z"):
        return ARCHIVE
    if parts.extension in _OTHER_EXTENSIONS or parts.name.startswith(".") or parts.name.lower() in _OTHER_NAMES:
        return "its name is not that of an image"
    if any(folder.lower() in _SYSTEM_FOLDERS for folder in parts.folders):
        return "it is in a folder of the operating system or of a program"
    return ""


def _kind(parts: PathParts) -> int:
    if parts.extension in _LOSSY_EXTENSIONS:
        return LOSSY
    is_converted = parts.extension in _IMAGE_EXTENSIONS or bool(parts.converted[0] and parts.mammogram_ids)
    return IMAGE if is_converted else DICOM


def _unprintable(file: FilmFile) -> str:
    """Returns a message if a path cannot be written into a table (control characters, bytes that are not text)."""
    return "" if file.path.isprintable() else f"its path {file.path!a} is not printable text; rename it"


class IdcIndex:
    """The films of the catalogue in the bucket of the Imaging Data Commons. Nothing is listed.

    The version of a film is its folder, because IDC gives a changed series another folder.
    """

    paths: tuple[str, ...] = ()
    links_out: tuple[str, ...] = ()

    def locate(self, mammogram: Mammogram) -> Location:
        """Returns the folder of a mammogram, which contains one object."""
        entry = catalogue.by_series().get(mammogram.uids[1])
        if entry is None:
            return Location(fault="its SeriesInstanceUID is not in the catalogue of CBIS-DDSM's full mammograms")
        return Location((FilmFile(DICOM, f"{entry.idc_folder}/", entry.bytes, entry.idc_folder),))
