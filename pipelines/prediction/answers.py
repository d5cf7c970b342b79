"""The predictions of a model for films, breasts and patients."""

import collections
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.prediction.film import Film


class Prediction:
    """What follows from the probabilities of the density categories.

    Attributes:
        probabilities: of each category, from 1 on.
    """

    __slots__ = ()
    probabilities: tuple[float, ...]

    @property
    def density(self) -> int:
        """The most probable density category; the lowest of several with equal probabilities."""
        found = self.probabilities
        return 1 + max(range(len(found)), key=lambda label: (found[label], -label))

    @property
    def expected(self) -> float:
        """The expected density: the sum of each category times its probability."""
        return sum(category * p for category, p in enumerate(self.probabilities, 1)) / sum(self.probabilities)


@dataclass(frozen=True, slots=True)
class Answer(Prediction):
    """The prediction for one film.

    Attributes:
        film: the film.
        probabilities: of each density category; empty if the film could not be classified.
        remarks: why the prediction may be wrong.
        reason: why there is no prediction; "" if there is one.
        picture: a `data:` URI of the image that the model was given; "" for none.
    """

    film: Film
    probabilities: tuple[float, ...] = ()
    remarks: tuple[str, ...] = ()
    reason: str = ""
    picture: str = ""


@dataclass(frozen=True, slots=True)
class UnitAnswer(Prediction):
    """The prediction for a breast or a patient: the mean of the probabilities of its films.

    Attributes:
        patient: see `FilmName`.
        side: of a breast; "" for a patient.
        films: the films that are combined.
    """

    patient: str
    side: str
    films: Sequence[Film]
    probabilities: tuple[float, ...]


def breasts_of(answers: Iterable[Answer]) -> list[UnitAnswer]:
    """Combines the films of each breast, sorted by patient and side; films without both in their names are left out."""
    return _combine(answers, lambda film: (film.name.patient, film.name.side), needs_side=True)


def patients_of(answers: Iterable[Answer]) -> list[UnitAnswer]:
    """Combines the films of each patient, sorted; films without a patient in their names are left out."""
    return _combine(answers, lambda film: (film.name.patient, ""), needs_side=False)


def _combine(answers: Iterable[Answer], unit: Callable[[Film], tuple[str, str]], needs_side: bool) -> list[UnitAnswer]:
    groups: dict[tuple[str, str], list[Answer]] = collections.defaultdict(list)
    for answer in answers:
        patient, side = unit(answer.film)
        if answer.probabilities and patient and (side or not needs_side):
            groups[patient, side].append(answer)
    return [
        UnitAnswer(*key, [answer.film for answer in group], _mean([answer.probabilities for answer in group]))
        for key, group in sorted(groups.items())
    ]


def _mean(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(np.mean(np.array(rows, np.float64), axis=0).tolist())
