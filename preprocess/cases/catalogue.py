"""The catalogue of CBIS-DDSM: its 3,103 full mammograms, with their series in the Imaging Data Commons (IDC).

`catalogue.csv` is made by `make_catalogue` from the four case descriptions and the index of IDC. The data set is by
Sawyer-Lee et al. (The Cancer Imaging Archive, https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY), CC BY 3.0.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ATTRIBUTION = (
    "CBIS-DDSM: R. Sawyer-Lee, F. Gimenez, A. Hoogi, D. Rubin, Curated Breast Imaging Subset of DDSM, The Cancer "
    "Imaging Archive, 2016, https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY, CC BY 3.0; films padded and resized"
)
FILE = Path(__file__).with_name("catalogue.csv")


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One full mammogram.

    Attributes:
        collection: "calc" or "mass".
        split: "train" or "test".
        density: as in the case descriptions; "0" for two mammograms.
        idc_folder: of the series in IDC's bucket, a UUID. It holds one object. A changed series gets another UUID.
        bytes: size of that object.
    """

    mammogram_id: str
    collection: str
    split: str
    patient: str
    side: str
    view: str
    density: str
    study_uid: str
    series_uid: str
    idc_folder: str
    bytes: int

    @property
    def image_path(self) -> str:
        """The `image file path` of the case descriptions."""
        return f"{self.mammogram_id}/{self.study_uid}/{self.series_uid}/000000.dcm"


COLUMNS = tuple(field.name for field in fields(CatalogueEntry))
"""The columns of the file."""


@functools.cache
def entries() -> tuple[CatalogueEntry, ...]:
    """Returns all entries, sorted by mammogram ID."""
    with FILE.open(newline="", encoding="ascii") as stream:
        return tuple(_entry(row) for row in csv.DictReader(stream))


def _entry(row: dict[str, Any]) -> CatalogueEntry:
    return CatalogueEntry(**(row | {"bytes": int(row["bytes"])}))


@functools.cache
def by_series() -> Mapping[str, CatalogueEntry]:
    """Returns SeriesInstanceUID -> entry."""
    return {entry.series_uid: entry for entry in entries()}


@functools.cache
def by_idc_folder() -> Mapping[str, CatalogueEntry]:
    """Returns folder in IDC's bucket -> entry."""
    return {entry.idc_folder: entry for entry in entries()}


@functools.cache
def by_mammogram_id() -> Mapping[str, CatalogueEntry]:
    """Returns mammogram ID in lower case -> entry."""
    return {entry.mammogram_id.lower(): entry for entry in entries()}
