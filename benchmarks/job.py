"""One run of the whole job as its user starts it, watched from outside: time, memory, the first finished film."""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.films import CANVAS
from benchmarks.measure import ROOT

WORKER = "sdk_worker_main"
_FIRST_LOOKS_SECONDS, _LOOKS_SECONDS = 0.1, 0.5  # looking is work, too, on the same cores


@dataclass(frozen=True)
class JobRun:
    """Attributes:
    seconds: of the whole command.
    first: from the command to the first finished film.
    cpu: seconds of all its processes.
    peak: the most bytes that all its processes had at once, pages of files not counted.
    worker: the most bytes that one of several workers had before the first film was finished.
    """

    seconds: float
    first: float
    cpu: float
    peak: int
    worker: int


def run_job(download: Sequence[str], out: Path, workers: int, canvas: tuple[int, int] | None = CANVAS) -> JobRun:
    """Prepares a download into an empty folder, which is removed again.

    Args:
        download: the words that name it, see `films.download`.
        canvas: None where the job finds it by itself.
    """
    shutil.rmtree(out, ignore_errors=True)
    words = [sys.executable, "-m", "pipelines.preprocess", *download, f"--output={out}",
             f"--direct_num_workers={workers}"]  # fmt: skip
    if canvas:
        words.append(f"--canvas={canvas[1]}x{canvas[0]}")
    before = _cpu_of_children()
    begin = time.perf_counter()
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        tree = psutil.Process(process.pid)
        first, peak, worker = 0.0, 0, 0
        while process.poll() is None:
            sizes = _sizes(tree)
            peak = max(peak, sum(sizes.values()))
            if not first:
                worker = max(worker, *(size for who, size in sizes.items() if WORKER in who), 0)
                if any((out / ".staging").glob("*/images/*/[!.]*")):
                    first = time.perf_counter() - begin
            time.sleep(_LOOKS_SECONDS if first else _FIRST_LOOKS_SECONDS)
        seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"the job ended with status {process.returncode}: {' '.join(words)}")
    shutil.rmtree(out)
    return JobRun(seconds, first, _cpu_of_children() - before, peak, worker)


def _sizes(tree: psutil.Process) -> dict[str, int]:
    """Process -> bytes of its own memory, for each that lives."""
    sizes = {}
    for process in (tree, *tree.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            own = sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(("RssAnon", "RssShmem")))
            sizes[f"{process.pid} {' '.join(process.cmdline())}"] = own << 10
    return sizes


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
