"""Benchmark of the whole job on films of real size, compared with a pool of processes that calls the same functions.

Both run with few and with many films, so that the time of a film can be distinguished from that of the start.
"""

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks import films
from benchmarks.job import JobRun, run_job
from benchmarks.measure import ROUNDS, Row, seconds_of
from benchmarks.processes import in_two_processes
from preprocess.cases.locate import DICOM, FilmFile
from preprocess.cases.plan import DROP, Film, Totals
from preprocess.contract import schema
from preprocess.dataset.recipe import Parameters, Recipe
from preprocess.images.pixels import MAX_PIXELS
from preprocess.job.copies import measure
from preprocess.job.films import prepare

FEW, MANY = 400, 3103


def run(folder: Path) -> list[Row]:
    """Returns the rows of rate and start."""
    written = films.write_films(folder)
    with films.download(folder, written, FEW) as few, films.download(folder, written, MANY) as many:
        rounds = [_Round(folder, few, many) for _ in range(ROUNDS)]

    def median(value: Callable[[_Round], float]) -> float:
        return statistics.median(map(value, rounds))

    def row(title: str, ours: str, peer: str, value: Callable[[_Round], float], bound: str, unit: str = "") -> Row:
        return Row(title, ours, peer, median(value), bound, unit)

    return [
        row("films per second, job / pool, two processes each, for 2,703 more films",
            f"{median(lambda r: r.rate(2)):.0f}/s", f"{median(lambda r: r.pool_rate):.0f}/s",
            lambda r: r.rate(2) / r.pool_rate, ">= 0.85"),
        row(f"the whole command on {MANY:,} films, pool / job",
            f"{median(lambda r: r.job[MANY, 2].seconds):.1f} s", f"{median(lambda r: r.pool[MANY]):.1f} s",
            lambda r: r.pool[MANY] / r.job[MANY, 2].seconds, ">= 0.85"),
        row("from the start of the command to the first finished film",
            f"{median(lambda r: r.job[FEW, 2].first):.1f} s", "", lambda r: r.job[FEW, 2].first, "<= 5", "s"),
        row("films per second, two workers / one worker", f"{median(lambda r: r.rate(2)):.0f}/s",
            f"{median(lambda r: r.rate(1)):.0f}/s", lambda r: r.rate(2) / r.rate(1), ">= 1.8"),
    ]  # fmt: skip


class _Round:
    """One run of the pool and of the job for each download and number of workers.

    Attributes:
        pool: number of films -> seconds with two processes.
        job: (number of films, number of workers) -> the run.
    """

    def __init__(self, folder: Path, *downloads: films.Download):
        self.pool: dict[int, float] = {}
        self.job: dict[tuple[int, int], JobRun] = {}
        for download in downloads:
            self.pool[download.count] = _pool_seconds(download, folder / "out")
            for workers in (1, 2):
                self.job[download.count, workers] = run_job(download.arguments, folder / "out", workers)

    def rate(self, workers: int) -> float:
        return (MANY - FEW) / (self.job[MANY, workers].seconds - self.job[FEW, workers].seconds)

    @property
    def pool_rate(self) -> float:
        return (MANY - FEW) / (self.pool[MANY] - self.pool[FEW])


def _pool_seconds(download: films.Download, out: Path) -> float:
    """Returns the time of a pool for a whole download, with its start."""
    jobs = [(number, str(download.root), str(out)) for number in range(download.count)]
    seconds = seconds_of(lambda: in_two_processes(_prepare, jobs, chunk=8))
    shutil.rmtree(out)
    return seconds


def _prepare(job: tuple[int, str, str]) -> None:
    """Prepares one film of a download with the two functions that the job calls."""
    number, root, out = job
    split, patient, mammogram_id, path = films.described(number)
    parameters = Parameters(*films.OUT, "auto", "area", MAX_PIXELS, schema.VIEWS, 1, DROP, None, None)
    recipe = Recipe(root, out, parameters, "", Totals(0, 0, 0, 0), 0.0, 1)
    files = (FilmFile(DICOM, f"films/{path}", 0),)
    film = Film(mammogram_id, split.lower(), number % 4 + 1, patient, "LEFT", "CC", files)
    prepare(measure(film, root, MAX_PIXELS), films.CANVAS, recipe)
