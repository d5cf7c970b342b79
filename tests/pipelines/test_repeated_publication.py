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
    publish, results = assemble.publish_dataset, []

    def publish_twice(images, omissions, parts, canvas, recipe):
        results.append(publish(images, omissions, parts, canvas, recipe))
        part = tmp_path / "out/.staging" / recipe.fingerprint[:16] / "parts/train-00000-00000-left"
        part.parent.mkdir(parents=True)
        part.write_bytes(b"records")
        results.append(publish(images, omissions, parts, canvas, recipe))
        return results[-1]

    status, output, out = job("--direct_num_workers=1", out="once")
    assert status == 0, output
    monkeypatch.setattr(assemble, "publish_dataset", publish_twice)
    status, output, again = job()
    assert status == 0, output
    assert len(results) == 2
    assert results[0] == results[1]
    assert not (again / ".staging").exists()
    assert tree(again) == tree(out)
