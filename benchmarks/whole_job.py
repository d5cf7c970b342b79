"""The whole job on films of real size, beside a pool of processes that calls the same functions on the same files.

Few films and many: what a start costs and what a film costs can then be told apart.
"""

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks import films
from benchmarks.job import JobRun, run_job
from benchmarks.measure import ROUNDS, Row, took
from benchmarks.processes import in_two_processes
from preprocess.cases.plan import Film
from preprocess.dataset.recipe import Recipe
from preprocess.images.pixels import MAX_PIXELS
from preprocess.job.films import measure, prepare

FEW, MANY = 400, 3103


def run(folder: Path) -> list[Row]:
    """The rows of rate and start."""
    written = films.write_films(folder)
    with films.download(folder, written, FEW) as few, films.download(folder, written, MANY) as many:
        rounds = [_Round(folder, few, many) for _ in range(ROUNDS)]

    def median(value: Callable[[_Round], float]) -> float:
        return statistics.median(map(value, rounds))

    def row(goal: str, ours: str, peer: str, value: Callable[[_Round], float], bound: str, unit: str = "") -> Row:
        return Row(goal, ours, peer, median(value), bound, unit)

    return [
        row("films a second, job / pool, two processes, of 2,703 more films",
            f"{median(lambda r: r.rate(2)):.0f}/s", f"{median(lambda r: r.pool_rate):.0f}/s",
            lambda r: r.rate(2) / r.pool_rate, ">= 0.85"),
        row(f"the whole command on {MANY:,} films, pool / job",
            f"{median(lambda r: r.job[MANY, 2].seconds):.1f} s", f"{median(lambda r: r.pool[MANY]):.1f} s",
            lambda r: r.pool[MANY] / r.job[MANY, 2].seconds, ">= 0.85"),
        row("from the command to the first finished film", f"{median(lambda r: r.job[FEW, 2].first):.1f} s", "",
            lambda r: r.job[FEW, 2].first, "<= 5", "s"),
        row("two workers / one, films a second", f"{median(lambda r: r.rate(2)):.0f}/s",
            f"{median(lambda r: r.rate(1)):.0f}/s", lambda r: r.rate(2) / r.rate(1), ">= 1.8"),
    ]  # fmt: skip


class _Round:
    """Everything once.

    Attributes:
        pool: films -> seconds, of two processes.
        job: (films, workers) -> the run.
    """

    def __init__(self, folder: Path, *downloads: films.Download):
        self.pool: dict[int, float] = {}
        self.job: dict[tuple[int, int], JobRun] = {}
        for download in downloads:
            self.pool[download.count] = _pool_seconds(download, folder / "out")
            for workers in (1, 2):
                self.job[download.count, workers] = run_job(download.words, folder / "out", workers)

    def rate(self, workers: int) -> float:
        return (MANY - FEW) / (self.job[MANY, workers].seconds - self.job[FEW, workers].seconds)

    @property
    def pool_rate(self) -> float:
        return (MANY - FEW) / (self.pool[MANY] - self.pool[FEW])


def _pool_seconds(download: films.Download, out: Path) -> float:
    """How long a pool takes for all of a download, its start included."""
    jobs = [(number, str(download.root), str(out)) for number in range(download.count)]
    seconds = took(lambda: in_two_processes(_prepare, jobs, at_once=8))
    shutil.rmtree(out)
    return seconds


def _prepare(job: tuple[int, str, str]) -> None:
    """One film of a download, by the two functions that the job calls for it."""
    number, root, out = job
    split, patient, case, path = films.described(number)
    recipe = Recipe(root, out, films.OUT, "area", 1, 1, 0.0, 1, 1, 0, {}, "", MAX_PIXELS)
    film = Film(case, split.lower(), number % 4 + 1, patient, "LEFT", "CC", f"films/{path}", 0)
    prepare(measure(film, root, MAX_PIXELS), films.CANVAS, recipe)
