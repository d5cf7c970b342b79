"""Films that are not in the page cache: the job beside two processes that do nothing but read them."""

import os
import shutil
from pathlib import Path

from benchmarks import films, peers
from benchmarks.job import run_job
from benchmarks.measure import Row, Times, took
from benchmarks.processes import in_two_processes

FEW, MANY = 16, 144
ROUNDS = 3


def run(folder: Path) -> list[Row]:
    """One row: megabytes a second of what the many films take longer than the few."""
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
    return [Row("films from the disk, job / two readers, two processes", job, readers, times.ratio("readers", "job"),
                ">= 0.9")]  # fmt: skip


def _prepare(download: films.Download, folder: Path) -> float:
    return run_job(download.words, folder / "out", 2).seconds


def _read(download: films.Download, folder: Path) -> float:
    del folder
    paths = sorted(download.root.glob("films/*/*/*/*.dcm"))
    return took(lambda: in_two_processes(_length, paths))


def _length(path: Path) -> int:
    return len(peers.read(path))


def _forget(paths: list[Path]) -> None:
    """Has the system drop the files from its page cache, which it does with what is on the disk already."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
