"""Plans a run before any film is opened: which films are prepared, and what is left out and why.

The plan depends on the case descriptions, the file listing and the options, but not on their order.
"""

import collections
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preprocess.cases.descriptions import Mammogram
from preprocess.cases.diagnosis import explain_missing, explain_omissions
from preprocess.cases.locate import FilmFile, FilmIndex, Location
from preprocess.contract import schema
from preprocess.contract.schema import KEEP, Omission
from preprocess.runtime.errors import InputError

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


def locate_films(mammograms: Sequence[Mammogram], index: FilmIndex) -> list[Location]:
    """Finds the files of every mammogram.

    Raises:
        InputError: no mammogram has a file.
    """
    locations = [index.locate(mammogram) for mammogram in mammograms]
    if not any(location.files for location in locations):
        raise InputError(
            f"not one of the {len(mammograms):,} mammograms that the case descriptions name has a file below the "
            f"input root",
            explain_missing(mammograms, index),
        )
    return locations


def make_plan(mammograms: Sequence[Mammogram], locations: Sequence[Location], selection: Selection) -> Plan:
    """Decides for every mammogram whether it is prepared, rejected or excluded.

    Args:
        locations: of each mammogram.

    Raises:
        InputError: patients are in both splits and `patient_overlap` is "error", or nothing is left to prepare.
    """
    locations = _reject_shared_files(mammograms, locations)
    overlap = _patients_in_both_splits(mammograms)
    if overlap and selection.patient_overlap == ERROR:
        raise InputError(
            f"{len(overlap)} patients are in both the training and the test descriptions "
            f"({', '.join(overlap[:5])}{' …' if len(overlap) > 5 else ''}); "
            f"use --patient_overlap drop to leave them out of the training set"
        )
    overlapping = frozenset(patient.casefold() for patient in overlap)
    both = _ids_in_both_splits(mammograms)
    films, omissions = [], []
    for mammogram, location in zip(mammograms, locations, strict=True):
        cause = _cause_of_omission(mammogram, location, selection, overlapping, both)
        if cause is None:
            films.append(_film(mammogram, location))
        else:
            source = location.files[0].path if location.files else mammogram.image_path
            omissions.append(Omission(mammogram.mammogram_id, mammogram.split, source, *cause))
    films, unchosen = _subset(films, selection)
    omissions += unchosen
    if not films:
        raise InputError(
            f"nothing is left to prepare: of {len(mammograms):,} named mammograms {_tally(omissions)}; "
            f"change the options or correct the input",
            explain_omissions(omissions),
        )
    return Plan(
        films=tuple(sorted(films, key=lambda film: (film.split, film.mammogram_id))),
        omissions=tuple(sorted(omissions)),
        totals=Totals(
            named=len(mammograms),
            matched=sum(bool(location.files) for location in locations),
            duplicate_files=sum(len(location.files[1:]) for location in locations),
            overlapping_patients=len(overlap),
        ),
    )


def _reject_shared_files(mammograms: Sequence[Mammogram], locations: Sequence[Location]) -> list[Location]:
    """Sets the fault of mammograms that share a file, because its path contains the identities of several."""
    first_of: dict[str, str] = {}  # path -> the first mammogram ID
    ids_of: dict[str, set[str]] = {}  # path -> mammogram IDs, only for paths of several mammograms
    for mammogram, location in zip(mammograms, locations, strict=True):
        for file in location.files:
            first = first_of.setdefault(file.path, mammogram.mammogram_id)
            if first != mammogram.mammogram_id:
                ids_of.setdefault(file.path, {first}).add(mammogram.mammogram_id)
    names_of = {path: ", ".join(sorted(ids)[:4]) for path, ids in ids_of.items()}
    checked = []
    for location in locations:
        shared = next((file.path for file in location.files if file.path in names_of), None)
        if shared and not location.fault:
            fault = f"the path {shared} identifies several mammograms: {names_of[shared]}"
            location = dataclasses.replace(location, fault=fault)
        checked.append(location)
    return checked


def _film(mammogram: Mammogram, location: Location) -> Film:
    m = mammogram
    return Film(m.mammogram_id, m.split, int(m.density), m.patient, m.side, m.view, location.files)


def _cause_of_omission(
    mammogram: Mammogram, location: Location, selection: Selection, overlap: frozenset[str], both: set[str]
) -> tuple[str, str, str] | None:
    """Returns kind, stage and reason if a mammogram is left out, else None."""
    if mammogram.fault:
        return schema.REJECTED, "csv", mammogram.fault
    if mammogram.split == schema.TRAIN and mammogram.mammogram_id in both:
        return schema.EXCLUDED, "select", "the test descriptions name the same mammogram"
    if (
        mammogram.split == schema.TRAIN
        and selection.patient_overlap == DROP
        and mammogram.patient.casefold() in overlap
    ):
        return schema.EXCLUDED, "select", f"patient {mammogram.patient} is in the test descriptions"
    if mammogram.view not in selection.views:
        return schema.EXCLUDED, "select", f"view {mammogram.view} is not among --views {' '.join(selection.views)}"
    if location.fault:
        return schema.REJECTED, "match", location.fault
    return None


def _patients_in_both_splits(mammograms: Sequence[Mammogram]) -> tuple[str, ...]:
    """Returns the patients in both splits, sorted. Files are ignored, so the training set does not depend on them."""
    patients = {
        split: {m.patient.casefold(): m.patient for m in mammograms if m.split == split and m.patient}
        for split in schema.SPLITS
    }
    return tuple(sorted(patients[schema.TEST][key] for key in patients[schema.TRAIN].keys() & patients[schema.TEST]))


def _ids_in_both_splits(mammograms: Sequence[Mammogram]) -> set[str]:
    ids = {split: {m.mammogram_id for m in mammograms if m.split == split} for split in schema.SPLITS}
    return ids[schema.TRAIN] & ids[schema.TEST]


def _subset(films: list[Film], selection: Selection) -> tuple[list[Film], list[Omission]]:
    """Applies the demonstration subset: the first images of each training category and of the test set."""
    quota = {(schema.TRAIN, density): selection.train_per_category for density in schema.DENSITIES}
    quota[schema.TEST, 0] = selection.test_count
    taken: collections.Counter[tuple[str, int]] = collections.Counter()
    chosen, unchosen = [], []
    for film in sorted(films, key=lambda film: schema.record_order(film.mammogram_id)):
        group = (film.split, film.density if film.split == schema.TRAIN else 0)
        limit = quota[group]
        if limit is not None and taken[group] >= limit:
            reason = "not among the images chosen for the demonstration subset"
            unchosen.append(film.omission("select", reason, schema.EXCLUDED))
        else:
            taken[group] += 1
            chosen.append(film)
    return chosen, unchosen


def _tally(omissions: list[Omission]) -> str:
    kinds = collections.Counter(omission.kind for omission in omissions)
    return " and ".join(f"{count:,} are {kind}" for kind, count in sorted(kinds.items()))
