"""Measures the job with many tiny films: `python -m benchmarks.many_films FOLDER 10000 100000 …`

Films and images have 16 x 12 pixels; the films are hard links to 16 files. Prints a line of JSON for each count, with
seconds and CPU seconds of the whole command, the highest memory of the main program and of a worker in MB (without
pages of files), of the job and of verifying.
"""

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks import films
from benchmarks.job import WORKER, sizes
from benchmarks.measure import ROOT
from pipelines.sample.dicom_files import FULL, write_dicom

SIZE = (16, 12)
POLL_SECONDS = 0.5


def main(folder: Path, counts: list[int]) -> None:
    """Measures the job with each number of films."""
    tiny = []
    for number in range(films.COUNT):
        tiny.append(folder / f"tiny-{number}.dcm")
        pixels = np.random.default_rng(number).integers(0, 1 << 16, SIZE, dtype=np.uint16)
        folder.mkdir(parents=True, exist_ok=True)
        write_dicom(str(tiny[-1]), pixels, str(number), f"1.2.{number}", f"1.3.{number}", FULL)
    for count in counts:
        with films.download(folder, tiny, count) as download:
            print(json.dumps({"films": count} | measure(download, folder / "out")), flush=True)


def measure(download: films.Download, out: Path) -> dict[str, float]:
    """Returns the figures of one count by their names."""
    shutil.rmtree(out, ignore_errors=True)
    words = ["pipelines.preprocess", *download.arguments, f"--output={out}", "--direct_num_workers=2",
             f"--image_height={SIZE[0]}", f"--image_width={SIZE[1]}"]  # fmt: skip
    job = run(words)
    verified = run(["pipelines.verify", str(out)])
    shutil.rmtree(out)
    return job | {f"verify {name}": value for name, value in verified.items() if name != "worker MB"}


def run(words: list[str]) -> dict[str, float]:
    """Runs a command; returns its seconds, its CPU seconds and the highest memory of its processes."""
    before, begin, main_bytes, worker_bytes = cpu_of_children(), time.perf_counter(), 0, 0
    with subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            for who, size in sizes(tree).items():
                if WORKER in who:
                    worker_bytes = max(worker_bytes, size)
                else:
                    main_bytes = max(main_bytes, size)
            time.sleep(POLL_SECONDS)
    if process.returncode:
        raise SystemExit(f"status {process.returncode}: {' '.join(words)}")
    return {
        "s": round(time.perf_counter() - begin, 1), "CPU s": round(cpu_of_children() - before, 1),
        "main MB": round(main_bytes / 1e6), "worker MB": round(worker_bytes / 1e6),
    }  # fmt: skip


def cpu_of_children() -> float:
    """Returns the CPU seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(Path(sys.argv[1]), list(map(int, sys.argv[2:])))
