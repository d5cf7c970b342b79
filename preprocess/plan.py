"""What one run will do, decided before any pixel is read: which films make the set, and what is left out and why.

The order of the questions is the data's way: what the case descriptions say, where the file is, whether the options
want it. The answers depend on the case descriptions, the listing and the options alone, never on their order.
"""

import collections
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from preprocess import schema
from preprocess.cases import Mammogram
from preprocess.errors import InputError
from preprocess.locate import FileIndex, Location
from preprocess.schema import Omission

DROP, ERROR, KEEP = "drop", "error", "keep"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the usable mammograms the options want.

    Attributes:
        views: of `schema.VIEWS`.
        patient_overlap: what to do with a training mammogram whose patient the test set names: "drop" it, end the run
            with an "error", or "keep" it.
        train_per_category, test_count: sizes of the demonstration subset, None for all.
    """

    views: tuple[str, ...] = schema.VIEWS
    patient_overlap: str = DROP
    train_per_category: int | None = None
    test_count: int | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """One film to prepare: an element of the pipeline, about 300 bytes.

    Attributes:
        density: BI-RADS density category, 1 to 4.
        file: path below the input root.
        bytes: size of the file when it was listed.
    """

    case: str
    split: str
    density: int
    patient: str
    side: str
    view: str
    file: str
    bytes: int

    @property
    def name(self) -> str:
        return schema.image_name(self.density, self.case)

    def omission(self, stage: str, reason: str, kind: str = schema.REJECTED) -> Omission:
        return Omission(self.case, self.split, self.file, kind, stage, reason)


@dataclass(frozen=True, slots=True)
class Plan:
    """Attributes:
    films: what to prepare, sorted.
    omissions: what is known before any file is opened to be left out, sorted.
    named: how many mammograms the case descriptions name.
    matched: how many of them have a file.
    spare: the files that hold a mammogram another file was taken for.
    overlap: the patients that both splits name.
    """

    films: tuple[Film, ...]
    omissions: tuple[Omission, ...]
    named: int
    matched: int
    spare: tuple[str, ...]
    overlap: tuple[str, ...]

    def fingerprint(self, parameters: Mapping[str, object]) -> str:
        """A SHA-256 of this plan and the parameters. It knows the films by their path below the input root and their
        size, not by their content, and nothing of where the roots are.
        """
        content = {
            "format": schema.FORMAT,
            "films": [dataclasses.astuple(film) for film in self.films],
            "omissions": [dataclasses.astuple(omission) for omission in self.omissions],
            "parameters": parameters,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make_plan(mammograms: Iterable[Mammogram], index: FileIndex, selection: Selection) -> Plan:
    """Decides for every mammogram whether it is prepared, rejected or excluded.

    Raises:
        InputError: patients stand on both sides and the selection says "error"; no mammogram has a file; or the
            options leave nothing to do.
    """
    mammograms = list(mammograms)
    located = [(mammogram, index.locate(mammogram)) for mammogram in mammograms]
    overlap = _patients_on_both_sides(mammograms)
    if overlap and selection.patient_overlap == ERROR:
        raise InputError(
            f"{len(overlap)} patients stand in both the training and the test descriptions "
            f"({', '.join(overlap[:5])}{' …' if len(overlap) > 5 else ''}); "
            f"use --patient_overlap drop to leave them out of the training set"
        )
    matched = sum(bool(location.path) for _, location in located)
    if matched == 0:
        raise InputError(
            f"not one of the {len(mammograms):,} mammograms that the case descriptions name has a file below the "
            f"input root; expected one of the layouts in docs/data.md, such as <case>/<StudyUID>/<SeriesUID>/000000.dcm"
        )

    both = _cases_on_both_sides(mammograms)
    films, omissions = [], []
    for mammogram, location in located:
        verdict = _verdict(mammogram, location, selection, set(overlap), both)
        if verdict is None:
            films.append(_film(mammogram, location))
        else:
            source = location.path or mammogram.image_path
            omissions.append(Omission(mammogram.case, mammogram.split, source, *verdict))
    films, unchosen = _subset(films, selection)
    omissions += unchosen
    if not films:
        raise InputError(
            f"nothing is left to prepare: of {len(mammograms):,} named mammograms {_tally(omissions)}; "
            f"change the options or mend the input"
        )
    return Plan(
        films=tuple(sorted(films, key=lambda film: (film.split, film.case))),
        omissions=tuple(sorted(omissions)),
        named=len(mammograms),
        matched=matched,
        spare=tuple(sorted(path for _, location in located for path in location.spare)),
        overlap=overlap,
    )


def _film(mammogram: Mammogram, location: Location) -> Film:
    m = mammogram
    return Film(m.case, m.split, int(m.density), m.patient, m.side, m.view, location.path, location.bytes)


def _verdict(
    mammogram: Mammogram, location: Location, selection: Selection, overlap: set[str], both: set[str]
) -> tuple[str, str, str] | None:
    """The kind, stage and reason for which a mammogram is left out; None where it is not."""
    if mammogram.fault:
        return schema.REJECTED, "csv", mammogram.fault
    if mammogram.split == schema.TRAIN and mammogram.case in both:
        return schema.EXCLUDED, "select", "the test descriptions name the same mammogram"
    if mammogram.split == schema.TRAIN and selection.patient_overlap == DROP and mammogram.patient in overlap:
        return schema.EXCLUDED, "select", f"patient {mammogram.patient} is in the test descriptions"
    if mammogram.view not in selection.views:
        return schema.EXCLUDED, "select", f"view {mammogram.view} is not among --views {' '.join(selection.views)}"
    if location.fault:
        return schema.REJECTED, "match", location.fault
    return None


def _patients_on_both_sides(mammograms: list[Mammogram]) -> tuple[str, ...]:
    """Patients that both splits name, by the case descriptions alone, so that the training set depends on no file."""
    patients = {split: {m.patient for m in mammograms if m.split == split and m.patient} for split in schema.SPLITS}
    return tuple(sorted(patients[schema.TRAIN] & patients[schema.TEST]))


def _cases_on_both_sides(mammograms: list[Mammogram]) -> set[str]:
    cases = {split: {m.case for m in mammograms if m.split == split} for split in schema.SPLITS}
    return cases[schema.TRAIN] & cases[schema.TEST]


def _subset(films: list[Film], selection: Selection) -> tuple[list[Film], list[Omission]]:
    """The demonstration subset: the first of each training category and of the test set, in record order."""
    quota = {(schema.TRAIN, density): selection.train_per_category for density in schema.DENSITIES}
    quota[schema.TEST, 0] = selection.test_count
    taken: collections.Counter[tuple[str, int]] = collections.Counter()
    chosen, unchosen = [], []
    for film in sorted(films, key=lambda film: schema.record_order(film.case)):
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
