"""Benchmark of 3,103 small films: the cost of the job when there is almost nothing to read."""

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import films, one_film
from benchmarks.job import JobRun, run_job
from benchmarks.measure import ROUNDS, Row, side_by_side
from pipelines.preparation.inputs import list_films, read_descriptions
from preprocess.cases.descriptions import group_by_mammogram
from preprocess.cases.locate import FileIndex
from preprocess.cases.make_plan import locate_films, make_plan
from preprocess.cases.plan import Selection
from preprocess.contract import schema

FEW, SOME, MANY = 100, 1600, 3103
SMALLER = 10
TREE = 20_000


def run(folder: Path) -> list[Row]:
    """Returns the rows of CPU time, growth and matching."""
    written = films.write_films(folder, SMALLER)
    runs: dict[int, list[JobRun]] = {FEW: [], SOME: [], MANY: []}
    alone: dict[int, list[JobRun]] = {FEW: [], MANY: []}  # with one worker, in the main process
    with (
        films.download(folder, written, FEW) as few,
        films.download(folder, written, SOME) as some,
        films.download(folder, written, MANY) as many,
    ):
        for _ in range(ROUNDS):
            for download in (few, some, many):
                runs[download.count].append(run_job(download.arguments, folder / "out", 2, canvas=None))
            for download in (few, many):
                alone[download.count].append(run_job(download.arguments, folder / "out", 1, canvas=None))
        matching = _matching(many)
    decoding = side_by_side({"decoding": lambda: [one_film.resized(path, "area") for path in written]})
    resized = decoding.median("decoding") / len(written)

    cpu, cpu_alone = (_slope(measured, lambda run: run.cpu, FEW, MANY) for measured in (runs, alone))
    first, second = (1e3 * _slope(runs, lambda run: run.seconds, *ends) for ends in ((FEW, SOME), (SOME, MANY)))
    return [
        Row("CPU time for each small film, without reading and resizing it, two workers", f"{1e3 * cpu:.2f} ms",
            f"{1e3 * resized:.2f} ms", 1e3 * (cpu - resized), "<= 3", "ms"),
        Row("the same, one worker in the main process", f"{1e3 * cpu_alone:.2f} ms",
            f"{1e3 * resized:.2f} ms", 1e3 * (cpu_alone - resized), "<= 1.2", "ms"),
        Row(f"time for each small film, from {SOME:,} to {MANY:,} films / from {FEW} to {SOME:,} films",
            f"{second:.2f} ms", f"{first:.2f} ms", second / first, "<= 1.1"),
        matching,
    ]  # fmt: skip


def _slope(runs: Mapping[int, list[JobRun]], of: Callable[[JobRun], float], low: int, high: int) -> float:
    """Returns the cost of one more image.

    Args:
        runs: number of images -> the runs with that number.
        of: returns the cost of a run.
        low, high: the numbers of images whose median costs are compared.
    """
    few, many = (statistics.median(map(of, runs[count])) for count in (low, high))
    return (many - few) / (high - low)


def _matching(download: films.Download) -> Row:
    """Matches 3,103 mammograms to their files among 20,000 files, mostly crops and masks."""
    for number in range(TREE - download.count):
        *_, mammogram_id, path = films.described(number % download.count)
        extra = download.root / "films" / path.replace(mammogram_id, f"{mammogram_id}_{number // download.count + 1}")
        extra.parent.mkdir(parents=True, exist_ok=True)
        extra.touch()

    def match() -> None:
        rows = (
            row
            for split, name in ((schema.TRAIN, "Training"), (schema.TEST, "Test"))
            for row in read_descriptions([f"{download.root}/{name}.csv"], split)
        )
        index = FileIndex(list_films(f"{download.root}/films", "/nowhere"))
        mammograms = group_by_mammogram(rows)
        plan = make_plan(mammograms, locate_films(mammograms, index), Selection())
        if plan.totals.matched != download.count:
            raise SystemExit(f"{plan.totals.matched} of {download.count} mammograms were matched")

    seconds = side_by_side({"match": match}).median("match")
    title = f"matching {download.count:,} mammograms to {TREE:,} files"
    return Row(title, f"{seconds:.2f} s", "", seconds, "<= 2", "s")
