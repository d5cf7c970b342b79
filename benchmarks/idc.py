"""Benchmark of `--input idc` with a server on loopback in place of the bucket: `python -m benchmarks.idc FOLDER`.

Takes 3.5 GB in FOLDER for 100 films, which are deleted at the end. Each job runs once. It uses the two cores that the
server uses too. The output is a Markdown table, after the table that the job prints for the largest number of films.
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.idc_films import Film, read_films, write_film
from benchmarks.idc_readers import read_blobs, read_ranges
from benchmarks.idc_server import started
from benchmarks.job import WORKER
from benchmarks.measure import ROOT, Row, seconds_of
from benchmarks.processes import in_two_processes
from benchmarks.results import table
from preprocess.dataset.reader import open_dataset
from preprocess.dataset.tables import ImageRow
from preprocess.dataset.verify import RECORD_ENDING

FILMS = 100
LEAST_FILMS = 40  # the smaller job then has at least two films of each category
LATENCY_MS, MBIT = 50, 1000
_READ_FEW, _READ_MANY = 50, 400
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class JobRun:
    """The measurements of one run of the job.

    Attributes:
        seconds: of the whole command.
        films: those of the images of the data set.
        peak: maximum memory of all its processes together, in bytes, without pages of files.
        processes: the maximum of each process, with its role.
        output: what the command printed.
        digests: path of an image or record file -> its SHA-256; name of a row of `dataset.csv` -> its values.
    """

    seconds: float
    films: list[Film]
    peak: int
    processes: tuple[tuple[str, int], ...]
    output: str
    digests: Mapping[str, str]

    @property
    def film_bytes(self) -> int:
        return sum(film.byte_count for film in self.films)


def run(folder: Path, count: int = FILMS) -> list[Row]:
    """Returns the rows.

    Args:
        count: number of films of the larger job; the smaller one has a quarter of it.
    """
    few, many = _subset(count // 4), _subset(count)
    with started() as url:
        rows = [_readers(url, read_ranges, "requests"), _readers(url, read_blobs, "Google's client")]
        jobs = [_run_job(["--input=idc", *subset], folder, url) for subset in (few, many)]
    with started(f"--latency_ms={LATENCY_MS}", f"--mbit={MBIT}") as url:
        shaped = [_run_job(["--input=idc", *subset], folder, url) for subset in (few, many)]
    whole, local = jobs[-1], _run_on_disk(folder, jobs[-1].films, many)
    print(whole.output)
    processes = ", ".join(f"{role} {peak / 1e6:.0f}" for role, peak in whole.processes)
    different = sum(whole.digests.get(key) != local.digests.get(key) for key in whole.digests | local.digests)
    return [
        *rows,
        _rate(f"job with two workers, {count} films, the whole command", whole.film_bytes, whole.seconds),
        _rate("job with two workers, more films", *_more(jobs)),
        Row("maximum memory of all processes, MB; of each", processes, "", whole.peak / 1e6, "<= 1000", "MB"),
        Row("images, records and rows that differ from those of the same films on disk", str(len(whole.digests)),
            str(len(local.digests)), different, "<= 0"),
        _share(f"{count} films, the whole command / the line", shaped[-1].film_bytes, shaped[-1].seconds),
        _share("more films / the line", *_more(shaped)),
    ]  # fmt: skip


def _rate(title: str, count: int, seconds: float) -> Row:
    return Row(title, f"{count / 1e9:.2f} GB", f"{seconds:.1f} s", count / 1e6 / seconds, "", "MB/s")


def _share(title: str, count: int, seconds: float) -> Row:
    """Returns the share of the line, whose bytes per second are MBIT / 8 million."""
    rate = count / 1e6 / seconds
    return Row(title, f"{rate:.1f} MB/s", f"{MBIT / 8:.0f} MB/s", rate / (MBIT / 8), ">= 0.8")


def _more(jobs: Sequence[JobRun]) -> tuple[int, float]:
    """Returns how many more bytes of films, and how many more seconds, the last of two runs had."""
    few, many = jobs
    return many.film_bytes - few.film_bytes, many.seconds - few.seconds


def _subset(count: int) -> list[str]:
    """Returns the options that select `count` mammograms, the same number of each training category and for the test.

    If the number is that of all mammograms, nothing is selected.
    """
    if count >= len(read_films()):
        return []
    each = max(1, count // 5)
    return [f"--train_per_category={each}", f"--test_count={max(1, count - 4 * each)}"]


def _readers(url: str, read: Callable[[tuple[str, Film]], None], client: str) -> Row:
    """Measures two processes that only read films, from the difference in time between many and few films."""
    jobs = [(url, film) for film in itertools.islice(read_films().values(), _READ_MANY)]
    seconds = [
        seconds_of(lambda count=count: in_two_processes(read, jobs[:count], chunk=5))
        for count in (_READ_FEW, _READ_MANY)
    ]
    count = sum(film.byte_count for _, film in jobs[_READ_FEW:])
    return _rate(f"two processes that only read films, {client}", count, seconds[1] - seconds[0])


def _run_on_disk(folder: Path, films: list[Film], subset: Sequence[str]) -> JobRun:
    """Runs the job on files of the films of another run. The other mammograms have no file, and are rejected."""
    root = folder / "films"
    shutil.rmtree(root, ignore_errors=True)
    for film in films:
        write_film(film.folder, root)
    measured = _run_job([f"--input={root}", "--max_rejected=1", *subset], folder)
    shutil.rmtree(root)
    return measured


def _run_job(options: Sequence[str], folder: Path, url: str | None = None) -> JobRun:
    """Runs the job into an empty folder, which is deleted afterwards.

    Args:
        url: of the server; None if the films are on disk.
    """
    out, log = folder / "out", folder / "output.txt"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "pipelines.preprocess", *options, f"--output={out}", "--direct_num_workers=2"]
    environment = os.environ | ({"STORAGE_EMULATOR_HOST": url} if url else {})
    begin, peak, peaks = time.perf_counter(), 0, dict[int, tuple[str, int]]()
    with log.open("w") as output, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output) as process:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            sizes = _sizes(tree)
            peak = max(peak, sum(size for _, size in sizes.values()))
            peaks |= {pid: max(found, peaks.get(pid, found)) for pid, found in sizes.items()}
            time.sleep(_POLL_SECONDS)
        seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"the job ended with status {process.returncode}: {' '.join(command)}")
    data = open_dataset(str(out))
    rows = data.read_rows()
    shutil.rmtree(out)
    ids = {row.mammogram_id for row in rows}
    films = [film for film in read_films().values() if film.mammogram_id in ids]
    return JobRun(seconds, films, peak, tuple(peaks.values()), log.read_text(), _digests(data.files, rows))


def _sizes(tree: psutil.Process) -> dict[int, tuple[str, int]]:
    """Returns process ID -> role and bytes of memory without pages of files, for each running process."""
    sizes = {}
    for process in (tree, *tree.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            role = "main" if process == tree else "worker" if WORKER in " ".join(process.cmdline()) else process.name()
            memory = process.memory_info()
            sizes[process.pid] = role, memory.rss - memory.shared
    return sizes


def _digests(files: Mapping[str, Mapping], rows: Sequence[ImageRow]) -> dict[str, str]:
    """Returns the digests of the images and records, and the rows; without paths, which differ between inputs."""
    digests = {path: file["sha256"] for path, file in files.items() if path.endswith((".png", RECORD_ENDING))}
    for row in rows:
        values = row.split, row.density, row.patient, row.side, row.view, row.source_height, row.source_width
        digests[row.name] = " ".join(map(str, values))
    return digests


def main() -> None:
    """Parses the options, measures, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idc", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for temporary files")
    parser.add_argument("--films", type=int, default=FILMS, help="number of films of the larger job")
    options = parser.parse_args()
    if options.films < LEAST_FILMS:
        parser.error(f"--films {options.films}: expected at least {LEAST_FILMS}")
    options.folder.mkdir(parents=True, exist_ok=True)
    print(table(run(options.folder.absolute(), options.films)))


if __name__ == "__main__":
    main()
