"""What the readers make of files, said by a process that a film may take 10 s of CPU time and 1.5 GB of: the kernel
ends it otherwise, and the test that asked with it.

    python -m tests.faults.judge HEIGHT WIDTH < paths, one a line > answers in JSON, one a line
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

from preprocess.images.film_task import FilmTask, open_film_file
from preprocess.images.formats import open_film
from preprocess.images.make_image import make_image
from preprocess.runtime.errors import RejectedFilm
from tests import ROOT

SIZE = (7, 5)
CPU_SECONDS = 10
MEMORY_BYTES = 1536 << 20
MAX_PIXELS = 1_000_000


def judge(paths):
    """For each path: [stage, reason] of a rejection, or the small image as a list of rows and the film's size."""
    lines = "".join(f"{path}\n" for path in paths)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.faults.judge"], input=lines, cwd=ROOT, capture_output=True, text=True, check=False
    )
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, f"{paths[len(answers)]}: status {ran.returncode}\n{ran.stderr[-3000:]}"
    assert ran.stderr == "", ran.stderr[-3000:]
    return answers


def main():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, hard))
    for line in sys.stdin:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS, hard))
        print(json.dumps(verdict(line.rstrip("\n"))), flush=True)


def verdict(path):
    try:
        with open_film_file(path, "header") as stream:
            film = open_film(stream, MAX_PIXELS)
            size = (film.height, film.width)
        pixels = make_image(FilmTask(path, size, size, SIZE, "area", MAX_PIXELS))
    except RejectedFilm as rejected:
        return {"rejected": [rejected.stage, rejected.reason]}
    assert (pixels.shape, pixels.dtype.name) == (SIZE, "uint16")
    return {"film": size, "pixels": pixels.tolist()}


if __name__ == "__main__":
    main()
