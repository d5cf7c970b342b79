"""A film whose density is to be predicted, and what its path says about it."""

import re
from dataclasses import dataclass

from preprocess.cases import catalogue
from preprocess.cases.catalogue import CatalogueEntry
from preprocess.cases.identity import parse_mammogram_id, split_path

_SIDE_AND_VIEW = re.compile(
    r"(?P<before>.*?)(?<![a-z])(?P<side>left|right|l|r)[^a-z0-9]*(?P<view>cc|mlo)(?![a-z])", re.IGNORECASE
)
_SIDES = {"l": "LEFT", "r": "RIGHT"}


@dataclass(frozen=True, slots=True)
class FilmName:
    """What a path says about a film; "" for what it does not say.

    Attributes:
        mammogram_id: of CBIS-DDSM.
        patient: for CBIS-DDSM e.g. "P_00038"; otherwise the text before side and view.
        side: "LEFT" or "RIGHT".
        view: "CC" or "MLO".
        fault: why the file is not a whole mammogram; "" if the path does not say so.
    """

    mammogram_id: str = ""
    patient: str = ""
    side: str = ""
    view: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Film:
    """One film to predict.

    Attributes:
        number: position in the table of predictions.
        path: of the file, local or gs://; a folder with one object if it ends with `/`.
        shown: the path in the table of predictions.
        bytes: size of the file; 0 if it is not known.
        name: what the path says.
    """

    number: int
    path: str
    shown: str
    bytes: int
    name: FilmName


def read_name(path: str) -> FilmName:
    """Reads from a path which film it is.

    A film of CBIS-DDSM is recognized by its mammogram ID, its SeriesInstanceUID or its folder in the Imaging Data
    Commons; any other one by side and view in its name, e.g. `A_1141_1.LEFT_CC.png` or `53586869_R_MLO.dcm`.
    """
    parts = split_path(path)
    if parts.is_of_abnormality or parts.is_in_mask_folder:
        return FilmName(fault="by its path a crop or a mask; expected a whole mammogram")
    if len(parts.mammogram_ids) == 1:
        found = parse_mammogram_id(parts.mammogram_ids[0]) or ()
        return FilmName(parts.mammogram_ids[0], *found[2:])
    entries = [catalogue.by_series().get(uid) for uid in parts.uids]
    entries += [catalogue.by_idc_folder().get(uuid) for uuid in parts.uuids]
    for entry in filter(None, entries):
        return name_of(entry)
    if match := _SIDE_AND_VIEW.search(parts.stem):
        patient = match["before"].strip(" ._-") or (parts.folders[-1] if parts.folders else "")
        side = match["side"].lower()
        return FilmName(patient=patient, side=_SIDES.get(side, side.upper()), view=match["view"].upper())
    return FilmName()


def name_of(entry: CatalogueEntry) -> FilmName:
    """Returns the name of a film of the catalogue."""
    return FilmName(entry.mammogram_id, entry.patient, entry.side, entry.view)
