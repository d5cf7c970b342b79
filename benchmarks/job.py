"""Runs the whole job as a user would, and measures its time, its memory and the time to the first finished film."""

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
_FIRST_POLL_SECONDS, _POLL_SECONDS = 0.1, 0.5  # polling takes CPU time from the job


@dataclass(frozen=True)
class JobRun:
    """The measurements of one run.

    Attributes:
        seconds: of the whole command.
        first: seconds from the start of the command to the first finished film.
        cpu: CPU seconds of all its processes.
        peak: maximum memory of all its processes together, in bytes, without pages of files.
        worker: maximum memory of one worker before the first film was finished, in bytes.
    """

    seconds: float
    first: float
    cpu: float
    peak: int
    worker: int


def run_job(download: Sequence[str], out: Path, workers: int, canvas: tuple[int, int] | None = CANVAS) -> JobRun:
    """Runs the job into an empty folder, which is deleted afterwards.

    Args:
        download: the options that name the input, see `films.Download`.
        canvas: (height, width); None if the job determines it.
    """
    shutil.rmtree(out, ignore_errors=True)
    arguments = [sys.executable, "-m", "pipelines.preprocess", *download, f"--output={out}",
                 f"--direct_num_workers={workers}"]  # fmt: skip
    if canvas:
        arguments.append(f"--canvas={canvas[1]}x{canvas[0]}")
    before = _cpu_of_children()
    begin = time.perf_counter()
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        tree = psutil.Process(process.pid)
        first, peak, worker = 0.0, 0, 0
        while process.poll() is None:
            found = sizes(tree)
            peak = max(peak, sum(found.values()))
            if not first:
                worker = max(worker, *(size for who, size in found.items() if WORKER in who), 0)
                if any((out / ".staging").glob("*/images/*/[!.]*")):
                    first = time.perf_counter() - begin
            time.sleep(_POLL_SECONDS if first else _FIRST_POLL_SECONDS)
        seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"the job ended with status {process.returncode}: {' '.join(arguments)}")
    shutil.rmtree(out)
    return JobRun(seconds, first, _cpu_of_children() - before, peak, worker)


def sizes(tree: psutil.Process) -> dict[str, int]:
    """Returns process -> bytes of its memory without pages of files, for each running process."""
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
