"""Measures the speed and the memory of the project: `python -m benchmarks FOLDER [NAME ...]`.

Up to 8 GB are written to FOLDER; its synthetic films are kept for the next run. The results are printed and, if no NAME
is given, written to benchmarks/results.md and results.png.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import chain, cold, compressed, exports, memory, one_film, prediction, small_films, training, whole_job
from benchmarks.measure import Row
from benchmarks.results import plot, table, text

GROUPS: dict[str, tuple[str, Callable[[Path], list[Row]]]] = {
    "one_film": ("One film in one process, in the page cache", one_film.run),
    "compressed": ("One compressed film", compressed.run),
    "whole_job": ("The whole job on films of real size, in the page cache", whole_job.run),
    "memory": ("The memory of the whole job on films of real size", memory.run),
    "cold": ("The whole job on films that are on the disk but not in the page cache", cold.run),
    "small_films": ("The whole job on small films", small_films.run),
    "training": ("Training on the CPU", training.run),
    "exports": ("The exported formats on the CPU", exports.run),
    "prediction": ("Predictions on films of real size, in the page cache", prediction.run),
    "chain": ("The chained command", chain.run),
}
FOLDER = Path(__file__).parent


def main(folder: Path, names: list[str]) -> None:
    """Measures the named groups, or all.

    Args:
        folder: for temporary files and the films.
    """
    results = {}
    for name in names or GROUPS:
        title, run = GROUPS[name]
        print(f"\n## {title}", flush=True)
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        results[title] = run(folder / name)
        shutil.rmtree(folder / name)
        print(table(results[title]), flush=True)
    if not names:
        (FOLDER / "results.md").write_text(text(results))
        plot(results, FOLDER / "results.png")


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(GROUPS):
        sys.exit(f"usage: python -m benchmarks FOLDER [{' '.join(GROUPS)}]")
    main(Path(sys.argv[1]).absolute(), sys.argv[2:])
