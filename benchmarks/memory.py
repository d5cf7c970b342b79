"""Benchmark of the memory of all processes of a job, with few and with many films of real size."""

import statistics
from pathlib import Path

from benchmarks import films
from benchmarks.job import JobRun, run_job
from benchmarks.measure import ROUNDS, Row

FEW, MANY = 50, 500


def run(folder: Path) -> list[Row]:
    """Returns the rows: medians over several runs with two workers."""
    written = films.write_films(folder)
    runs: dict[int, list[JobRun]] = {FEW: [], MANY: []}
    with films.download(folder, written, FEW) as few, films.download(folder, written, MANY) as many:
        for _ in range(ROUNDS):
            for download in (few, many):
                runs[download.count].append(run_job(download.arguments, folder / "out", 2))
    few_peak, many_peak = (statistics.median(run.peak for run in runs[count]) / 1e6 for count in (FEW, MANY))
    worker = statistics.median(run.worker for run in runs[FEW]) / 1e6
    return [
        Row("maximum memory of all processes, two workers", f"{many_peak:.0f} MB", "", many_peak, "<= 1000", "MB"),
        Row(f"the same, {MANY} films / {FEW} films", f"{many_peak:.0f} MB", f"{few_peak:.0f} MB", many_peak / few_peak,
            "<= 1.05"),
        Row("memory of a worker before its first film", f"{worker:.0f} MB", "", worker, "<= 300", "MB"),
    ]  # fmt: skip
