"""Makes the plan of a run before any film is opened.

The plan depends on the case descriptions, the file listing and the options, but not on their order.
"""

import collections
import dataclasses
from collections.abc import Sequence

from preprocess.cases.descriptions import Mammogram, shared_by_mammograms
from preprocess.cases.diagnosis import explain_missing, explain_omissions
from preprocess.cases.locate import FilmIndex, Location
from preprocess.cases.plan import DROP, ERROR, Film, Plan, Selection, Totals
from preprocess.contract import schema
from preprocess.contract.schema import Omission
from preprocess.runtime.errors import InputError


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
    ids_of = shared_by_mammograms(
        (file.path, mammogram.mammogram_id)
        for mammogram, location in zip(mammograms, locations, strict=True)
        for file in location.files
    )
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
