"""Reads and resizes films in another process, with the code of this project.

A film may take 10 s of CPU time and 1.5 GiB of memory. If it takes more, the kernel ends the process or an allocation
fails, and the test fails.

    python -m tests.faults.read_films < paths, one per line > results in JSON, one per line
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


def read_films(paths):
    """Returns a result for each path, as `read_film` does."""
    lines = "".join(f"{path}\n" for path in paths)
    command = [sys.executable, "-m", "tests.faults.read_films"]
    ran = subprocess.run(command, input=lines, cwd=ROOT, capture_output=True, text=True, check=False)
    results = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, f"{paths[len(results)]}: status {ran.returncode}\n{ran.stderr[-3000:]}"
    assert ran.stderr == "", ran.stderr[-3000:]
    return results


def main():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, hard))
    for line in sys.stdin:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS, hard))
        print(json.dumps(read_film(line.rstrip("\n"))), flush=True)


def read_film(path):
    """Returns {"rejected": [stage, reason]}, or {"film": [height, width], "pixels": rows of the image of SIZE}."""
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
