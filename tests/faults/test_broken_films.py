"""Damaged films: each is read correctly or rejected with a reason; none crashes or blocks the process.

The full form tests 12,000 mutations, the short form 600. Mutations that revealed errors are in `hostile_films`.
"""

import collections
import re

import numpy as np
import pytest

from tests.faults.good_films import HEIGHT, WIDTH, films_of_other_encodings, write_good_films
from tests.faults.hostile_films import HOSTILE, write_hostile_film
from tests.faults.mutation import mutate
from tests.faults.read_films import SIZE, read_films
from tests.faults.reference import references
from tests.support.films import area_reference

REASON = re.compile(r"[ -~…]{5,400}")  # one printable line


@pytest.fixture(scope="module")
def good_films(tmp_path_factory):
    return write_good_films(tmp_path_factory.mktemp("good")) | films_of_other_encodings()


def write(folder, films):
    """Writes files whose names do not tell their formats, and returns their paths."""
    paths = [folder / f"{number:05d}" for number in range(len(films))]
    for path, data in zip(paths, films, strict=True):
        path.write_bytes(data)
    return paths


def check(result, pixels, name):
    """Checks the result of `read_films` for one film.

    A rejection must have a stage and a reason of one line. An image must be that of the reference pixels.

    Args:
        pixels: of `references`; None if there are none to compare with.
        name: of the film, for messages.

    Returns:
        "rejected", "read" (there was nothing to compare with) or "compared".
    """
    if rejected := result.get("rejected"):
        stage, reason = rejected
        assert stage in ("header", "pixels"), name
        assert REASON.fullmatch(reason), (name, reason)
        return "rejected"
    if pixels is None or pixels.shape != tuple(result["film"]):
        return "read"
    expected = area_reference(pixels, pixels.shape, SIZE)
    assert np.abs(np.array(result["pixels"]) - expected).max() <= 0.5 + 1e-7, name
    return "compared"


def test_intact_films_are_read_as_by_pydicom_and_pillow(good_films, tmp_path):
    results = read_films(write(tmp_path, list(good_films.values())))
    for name, result, pixels in zip(good_films, results, references(good_films.values()), strict=True):
        assert result.get("film") == [HEIGHT, WIDTH], (name, result)
        assert check(result, pixels, name) == "compared"


def test_mutated_films_are_read_correctly_or_rejected(good_films, rng, full, tmp_path):
    kinds = [kind for kind in good_films for _ in range((12_000 if full else 600) // len(good_films) + 1)]
    mutants = [mutate(good_films[kind], rng, list(good_films.values())) for kind in kinds]
    paths = write(tmp_path, mutants)
    results = read_films(paths)
    outcomes = collections.Counter()
    for path, kind, result, pixels in zip(paths, kinds, results, references(mutants, "pillow"), strict=True):
        outcomes[kind, check(result, pixels, (path, kind))] += 1
    for kind in good_films:
        print(f"{kind}: {', '.join(f'{outcomes[kind, o]} {o}' for o in ('rejected', 'read', 'compared'))}")
    assert {outcome for _, outcome in outcomes} >= {"rejected", "compared"}
    again = slice(None, None, -1 if not full else -7)
    assert read_films(paths[again]) == results[again]  # in another process and order: no film changes another result


@pytest.fixture(scope="module")
def hostile_results(tmp_path_factory):
    paths = []
    for number, name in enumerate(HOSTILE):
        folder = tmp_path_factory.mktemp(f"hostile{number}")
        paths.append(write_hostile_film(name, folder))
    return dict(zip(HOSTILE, read_films(paths), strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_films(name, hostile_results):
    result, film = hostile_results[name], HOSTILE[name]
    if film.outcome:
        assert film.outcome in ": ".join(result.get("rejected", ()))
    assert check(result, film.pixels(), name) == ("rejected" if film.outcome else "compared")
