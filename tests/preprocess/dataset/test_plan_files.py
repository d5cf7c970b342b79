"""The plan as files, and the size of the graph that contains their names only."""

import dataclasses

import apache_beam as beam
import pytest

from pipelines import preprocess
from preprocess.cases.locate import FilmFile
from preprocess.cases.plan import Film, Plan, Totals
from preprocess.contract.schema import Omission, record_order
from preprocess.dataset.plan_files import BATCH_BYTES, read_batches, read_lines, write_plan
from preprocess.runtime.errors import RunFailed
from tests.preprocess.dataset.test_cards import recipe


def film(number, split="train", size=1000, published=""):
    files = (FilmFile(0, f"films/{number} é\ud800.dcm", size, f"{size} bytes of {number}"), FilmFile(2, "b.jpg", 0))
    return Film(f"Calc_P_{number:05d}_LEFT_CC", split, 2, f"P_{number:05d}", "LEFT", "CC", files, published)


def plan_of(films, omissions=()):
    return Plan(tuple(films), tuple(omissions), Totals(len(films), len(films), 0, 0))


def test_films_and_omissions_are_read_as_they_were_written(tmp_path):
    films = [film(n, "train" if n % 3 else "test", published="0" * 64 if n % 2 else "") for n in range(1600)]
    omissions = [
        Omission(f"id {n}", "train", "x\ud800", ("excluded", "rejected")[n % 2], "csv", "é\n") for n in range(2001)
    ]
    written = write_plan(plan_of(films, omissions), str(tmp_path))
    assert written.pieces == ["train-00000", "train-00001", "train-00002", "test-00000", "test-00001"]
    assert (written.rejected, written.excluded) == (1000, 1001)
    batches = [batch for path in written.film_paths for batch in read_batches(path)]
    read = [film for batch in batches for film in batch.films]
    expected = sorted(films, key=lambda film: (film.split == "test", record_order(film.mammogram_id)))
    assert read == expected
    assert max(len(batch.films) for batch in batches) == 32
    assert list(dict.fromkeys(batch.piece for batch in batches)) == written.pieces
    assert list(written.read_omissions()) == omissions


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "train-00000"
    path.write_bytes(b'["a"]\n["b"\n')
    with pytest.raises(RunFailed) as refused:
        list(read_lines(str(path)))
    assert str(refused.value) == (
        f"{path}: line 2 is damaged; delete the .staging folder of the output and run the command again"
    )


def test_batches_contain_small_films_only(tmp_path):
    """Two films of half the largest batch are one batch, a larger one is a batch of its own."""
    films = sorted((film(n) for n in range(6)), key=lambda film: record_order(film.mammogram_id))
    sizes = [BATCH_BYTES // 2, BATCH_BYTES // 2, BATCH_BYTES // 2 + 1, BATCH_BYTES // 2, 3 * BATCH_BYTES, 1]
    sized = [film(int(f.patient[2:]), size=size) for f, size in zip(films, sizes, strict=True)]
    (path,) = write_plan(plan_of(sized), str(tmp_path)).film_paths
    assert [len(batch.films) for batch in read_batches(path)] == [2, 1, 1, 1, 1]


def graph_size(n, tmp_path):
    written = write_plan(plan_of([film(number) for number in range(n)]), str(tmp_path / str(n)))
    pipeline = beam.Pipeline()
    preprocess.build(pipeline, dataclasses.replace(recipe(), plan=written), None)
    return pipeline.to_runner_api().ByteSize()


def test_the_graph_contains_no_films(tmp_path):
    """It grows by the name of a file for 500 films."""
    few, many = graph_size(500, tmp_path), graph_size(50_500, tmp_path)
    assert many - few < 0.3 * 50_000, (few, many)
