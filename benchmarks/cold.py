"""Benchmark of films that are not in the page cache: the job, compared with two processes that only read them."""

import os
import shutil
from pathlib import Path

from benchmarks import films, peers
from benchmarks.job import run_job
from benchmarks.measure import Row, Times, seconds_of
from benchmarks.processes import in_two_processes

FEW, MANY = 16, 144
ROUNDS = 3


def run(folder: Path) -> list[Row]:
    """Returns one row: MB/s, from the difference in time between many and few films."""
    written = films.write_films(folder)
    copies = [folder / f"cold-{number}.dcm" for number in range(MANY)]
    for number, path in enumerate(copies):
        shutil.copyfile(written[number % len(written)], path)
    megabytes = sum(path.stat().st_size for path in copies[FEW:]) / 1e6
    longer: dict[str, list[float]] = {"job": [], "readers": []}
    with films.download(folder, copies, FEW) as few, films.download(folder, copies, MANY) as many:
        for _ in range(ROUNDS):
            for name, measured in (("readers", _read), ("job", _prepare)):
                seconds = []
                for download in (few, many):
                    _forget(copies)
                    seconds.append(measured(download, folder))
                longer[name].append(seconds[1] - seconds[0])
    times = Times(longer)
    job, readers = (f"{megabytes / times.median(name):.0f} MB/s" for name in ("job", "readers"))
    title = "films from the disk, job with two workers / two reading processes"
    return [Row(title, job, readers, times.ratio("readers", "job"), ">= 0.9")]


def _prepare(download: films.Download, folder: Path) -> float:
    return run_job(download.arguments, folder / "out", 2).seconds


def _read(download: films.Download, folder: Path) -> float:
    del folder
    paths = sorted(download.root.glob("films/*/*/*/*.dcm"))
    return seconds_of(lambda: in_two_processes(_length, paths))


def _length(path: Path) -> int:
    return len(peers.read(path))


def _forget(paths: list[Path]) -> None:
    """Removes the files from the system's page cache; they must be on the disk for this, hence the fsync."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
