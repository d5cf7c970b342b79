"""The plan of a run: which films are prepared, and what is left out and why; and the options that it depends on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from preprocess.cases.locate import FilmFile
from preprocess.contract import schema
from preprocess.contract.schema import KEEP, Omission

DROP, ERROR = "drop", "error"
PATIENT_OVERLAP = (DROP, ERROR, KEEP)
"""Values of `Selection.patient_overlap`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The options that select mammograms.

    Attributes:
        views: a subset of `schema.VIEWS`.
        patient_overlap: what to do with a training mammogram of a patient who is also in the test set: "drop" it, end
            the run with an "error", or "keep" it.
        train_per_category, test_count: sizes of the demonstration subset; None for all.
    """

    views: tuple[str, ...] = schema.VIEWS
    patient_overlap: str = DROP
    train_per_category: int | None = None
    test_count: int | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """One film to prepare.

    Attributes:
        density: BI-RADS density category, 1 to 4.
        files: of the mammogram, as they were listed, in the order of preference.
        published: SHA-256 of the image in the data set to be replaced, if it was made from the same files; else empty.
    """

    mammogram_id: str
    split: str
    density: int
    patient: str
    side: str
    view: str
    files: tuple[FilmFile, ...]
    published: str = ""

    @property
    def file(self) -> str:
        """The path of the preferred file below the input root."""
        return self.files[0].path

    @property
    def bytes(self) -> int:
        return self.files[0].bytes

    @property
    def version(self) -> str:
        return self.files[0].version

    @property
    def image_name(self) -> str:
        return schema.image_name(self.density, self.mammogram_id)

    @property
    def image_file(self) -> str:
        """The path of the published PNG below the output root."""
        return schema.image_file(self.split, self.density, self.mammogram_id)

    def omission(self, stage: str, reason: str, kind: str = schema.REJECTED) -> Omission:
        return Omission(self.mammogram_id, self.split, self.file, kind, stage, reason)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of a plan.

    Attributes:
        named: mammograms in the case descriptions.
        matched: those of them for which a file was found.
        duplicate_files: files of a mammogram for which another file is used.
        overlapping_patients: patients in both splits.
    """

    named: int
    matched: int
    duplicate_files: int
    overlapping_patients: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Attributes:
        films: to prepare, sorted.
        omissions: those that are known before any film is opened, sorted.
    """

    films: tuple[Film, ...]
    omissions: tuple[Omission, ...]
    totals: Totals

    def fingerprint(self, parameters: Mapping[str, object]) -> str:
        """Returns the SHA-256 of this plan and the parameters.

        It covers the mammograms, and the kind and stage of omissions. It does not cover the words of the reasons, nor
        the files of the mammograms, whose versions are compared separately.
        """
        content = {
            "format": schema.FORMAT,
            "films": [(f.mammogram_id, f.split, f.density, f.patient, f.side, f.view) for f in self.films],
            "omissions": [(o.mammogram_id, o.split, o.kind, o.stage) for o in self.omissions],
            "parameters": parameters,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
