"""The tables of predictions: one row for each film, breast and patient."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from pipelines.prediction.answers import Answer, Prediction, UnitAnswer, breasts_of, patients_of
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.text import printable, without_formula

FILMS, BREASTS, PATIENTS, PAGE = "predictions.csv", "breasts.csv", "patients.csv", "predictions.html"
_FILM_COLUMNS = ("file", "mammogram", "patient", "side", "view")


def format_tables(answers: Sequence[Answer], categories: int) -> dict[str, bytes]:
    """Returns file name -> content of the three tables."""
    return {
        FILMS: format_films(answers, categories),
        BREASTS: _format_units(breasts_of(answers), categories, has_side=True),
        PATIENTS: _format_units(patients_of(answers), categories, has_side=False),
    }


def format_films(answers: Iterable[Answer], categories: int) -> bytes:
    """Formats the table of films.

    Its columns are the file and what its path says about the film; the predicted density, the probability of each
    category and the expected density, which are empty for a film that was not classified; remarks; and why the film was
    not classified.
    """
    header = (*_FILM_COLUMNS, *_prediction_columns(categories), "remarks", "not_classified")
    rows = []
    for answer in answers:
        film = answer.film
        name = film.name
        known = (_cell(film.shown), name.mammogram_id, _cell(name.patient), name.side, name.view)
        rows.append((*known, *_prediction(answer, categories), "; ".join(answer.remarks), printable(answer.reason)))
    return _format(header, rows)


def read_films(content: bytes) -> Iterator[dict[str, str]]:
    """Yields the rows of the table of films.

    Raises:
        RunFailed: it is not such a table.
    """
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    if not set(_FILM_COLUMNS) <= set(rows.fieldnames or ()):
        raise RunFailed(f"{FILMS} has the columns {rows.fieldnames}; another program has written it meanwhile")
    yield from rows


def _format_units(units: Iterable[UnitAnswer], categories: int, has_side: bool) -> bytes:
    header = ("patient", *(("side",) if has_side else ()), "films", *_prediction_columns(categories))
    return _format(
        header,
        [
            (_cell(unit.patient), *((unit.side,) if has_side else ()), len(unit.films), *_prediction(unit, categories))
            for unit in units
        ],
    )


def _prediction_columns(categories: int) -> list[str]:
    return ["density", *(f"probability_{category}" for category in range(1, categories + 1)), "expected_density"]


def _prediction(answer: Prediction, categories: int) -> tuple[object, ...]:
    if not answer.probabilities:
        return ("",) * (categories + 2)
    return (answer.density, *(f"{p:.6f}" for p in answer.probabilities), f"{answer.expected:.4f}")


def _cell(text: str) -> str:
    """Returns a text that a spreadsheet does not take for a formula, without control characters."""
    return without_formula(printable(text))


def _format(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue().encode()
