"""The publishing step of the job, repeated by the runner because its result was lost."""

import pytest

from preprocess.dataset import assemble
from tests.pipelines.test_preprocess import tree
from tests.support.films import Described, as_in_csv, random_film, write_csv

FILMS = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 5)]
TEST = [Described("Mass-Test_P_00101_RIGHT_MLO")]


@pytest.fixture
def films(tmp_path):
    write_csv(tmp_path / "train.csv", FILMS)
    write_csv(tmp_path / "test.csv", TEST)
    for number, film in enumerate([*FILMS, *TEST]):
        as_in_csv(tmp_path / "images", film, random_film(number))


def test_a_repeated_publication_leaves_no_staging_folder(films, job, tmp_path, monkeypatch):
    """The first call was ended after the manifest was moved and before the staging folder was deleted."""
    finish, done = assemble.finish_publication, []

    def finish_twice(results, recipe):
        done.append(finish(results, recipe))
        left = tmp_path / "out/.staging" / recipe.fingerprint[:16] / "parts/train-00000-00000-left"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"records")
        done.append(finish(results, recipe))
        return done[-1]

    status, output, out = job("--direct_num_workers=1", out="once")
    assert status == 0, output
    monkeypatch.setattr(assemble, "finish_publication", finish_twice)
    status, output, again = job()
    assert status == 0, output
    assert len(done) == 2
    assert done[0] == done[1]
    assert not (again / ".staging").exists()
    assert tree(again) == tree(out)
