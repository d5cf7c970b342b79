"""Thousands of broken films: each is read rightly or rejected with a reason; none ends the run, or stops it.

`FAULTS=full` takes 12,000 mutants, the short form 600. What mutants and fuzzers found is kept in `hostile_films`.
"""

import collections
import re

import numpy as np
import pytest

from tests.faults.good_films import HEIGHT, WIDTH, write_good_films
from tests.faults.hostile_films import HOSTILE, write_hostile_film
from tests.faults.judge import SIZE, judge
from tests.faults.mutation import mutate
from tests.faults.reference import references
from tests.support.films import area_reference

REASON = re.compile(r"[ -~…]{5,400}")  # one printable line


@pytest.fixture(scope="module")
def good_films(tmp_path_factory):
    return write_good_films(tmp_path_factory.mktemp("good"))


def write(folder, films):
    """Writes files without telling names, and returns their paths."""
    paths = [folder / f"{number:05d}" for number in range(len(films))]
    for path, data in zip(paths, films, strict=True):
        path.write_bytes(data)
    return paths


def check(answer, pixels, what):
    """A rejection says what is wrong; an image is that of the pixels that another reader sees, if it sees any.

    Returns:
        rejected, read, or read and compared.
    """
    if rejected := answer.get("rejected"):
        stage, reason = rejected
        assert stage in ("header", "pixels"), what
        assert REASON.fullmatch(reason), (what, reason)
        return "rejected"
    if pixels is None or pixels.shape != tuple(answer["film"]):
        return "read"
    expected = area_reference(pixels, pixels.shape, SIZE)
    assert np.abs(np.array(answer["pixels"]) - expected).max() <= 0.5 + 1e-7, what
    return "compared"


def test_every_good_film_is_read_as_others_read_it(good_films, tmp_path):
    answers = judge(write(tmp_path, list(good_films.values())))
    for name, answer, pixels in zip(good_films, answers, references(good_films.values()), strict=True):
        assert answer.get("film") == [HEIGHT, WIDTH], (name, answer)
        assert check(answer, pixels, name) == "compared"


def test_mutated_films_are_read_rightly_or_rejected(good_films, rng, full, tmp_path):
    kinds = [kind for kind in good_films for _ in range((12_000 if full else 600) // len(good_films) + 1)]
    mutants = [mutate(good_films[kind], rng, list(good_films.values())) for kind in kinds]
    paths = write(tmp_path, mutants)
    answers = judge(paths)
    outcomes = collections.Counter()
    for path, kind, answer, pixels in zip(paths, kinds, answers, references(mutants), strict=True):
        outcomes[kind, check(answer, pixels, (path, kind))] += 1
    for kind in good_films:
        print(f"{kind}: {', '.join(f'{outcomes[kind, o]} {o}' for o in ('rejected', 'read', 'compared'))}")
    assert {outcome for _, outcome in outcomes} >= {"rejected", "compared"}
    again = slice(None, None, -1 if not full else -7)
    assert judge(paths[again]) == answers[again]  # whatever was read before it, and whoever read it


@pytest.fixture(scope="module")
def hostile_answers(tmp_path_factory):
    paths = []
    for number, name in enumerate(HOSTILE):
        folder = tmp_path_factory.mktemp(f"hostile{number}")
        paths.append(write_hostile_film(name, folder))
    return dict(zip(HOSTILE, judge(paths), strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_film_made_to_harm_its_reader(name, hostile_answers):
    answer, film = hostile_answers[name], HOSTILE[name]
    if film.outcome:
        assert film.outcome in ": ".join(answer.get("rejected", ()))
    assert check(answer, film.pixels(), name) == ("rejected" if film.outcome else "compared")
