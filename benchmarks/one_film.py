"""Benchmark of one film in one process, from its file to the bytes of its PNG and its record."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import films, peers
from benchmarks.measure import Row, Times, side_by_side
from benchmarks.processes import InTurn
from preprocess.contract.example import LabelledImage, encode_example
from preprocess.contract.png import encode_png
from preprocess.images.film_task import FilmTask
from preprocess.images.formats import open_film
from preprocess.images.make_image import make_image
from preprocess.images.pixels import MAX_PIXELS

FRESH = 32 << 20
"""From this number of bytes on, malloc always requests fresh memory from the system and never reuses freed memory."""


def run(folder: Path) -> list[Row]:
    """Returns the rows, for films of all sizes, and for the large films only, for which `read()` needs fresh memory."""
    written = films.write_films(folder)
    large = [path for path in written if path.stat().st_size >= FRESH]
    every, few = _compare(written), _compare(large)

    def row(times: Times, count: int, name: str, peer: str, bound: str, inverse: bool = False) -> Row:
        ratio = times.ratio(peer, name) if inverse else times.ratio(name, peer)
        compared = f"{peer} / {name}" if inverse else f"{name} / {peer}"
        ours, theirs = (f"{1e3 * times.median(which) / count:.1f} ms" for which in (name, peer))
        return Row(f"one film of {count} sizes, {compared}", ours, theirs, ratio, bound)

    return [
        row(every, len(written), "area", "open().read()", "<= 0.5"),
        row(few, len(large), "area", "open().read()", "<= 0.5"),
        row(every, len(written), "area", "2018", ">= 25", inverse=True),
        row(every, len(written), "area", "OpenCV", ">= 12", inverse=True),
        row(every, len(written), "nearest", "open().read()", "<= 0.1"),
    ]


def prepare(path: Path, method: str) -> tuple[bytes, bytes]:
    """Prepares one film like a worker, without writing files; returns the bytes of the PNG and of the record."""
    return _encoded(resized(path, method))


def resized(path: Path, method: str) -> np.ndarray:
    """Returns the resized image of a film. The header is read twice, as in the job."""
    with path.open("rb") as stream:
        film = open_film(stream)
        size = film.height, film.width
    return make_image(FilmTask(str(path), size, films.CANVAS, films.OUT, method, MAX_PIXELS))


def _compare(paths: list[Path]) -> Times:
    """Measures each method in a separate process, because the speed of `read()` depends on memory freed before."""
    with ExitStack() as stack:
        return side_by_side({name: stack.enter_context(InTurn(partial(_all_of, name, paths))) for name in WORK})


def _all_of(name: str, paths: list[Path], turns: Iterator[None]) -> None:
    for _ in turns:
        for path in paths:
            WORK[name](path)


def _as_in_2018(path: Path) -> tuple[bytes, bytes]:
    return _encoded(peers.as_in_2018(path, films.CANVAS, films.OUT))


def _opencv(path: Path) -> tuple[bytes, bytes]:
    return _encoded(peers.opencv_area(path, films.CANVAS, films.OUT))


def _encoded(pixels: np.ndarray) -> tuple[bytes, bytes]:
    return encode_png(pixels), encode_example(LabelledImage("1_Calc-Training_P_00001_LEFT_CC", 0, pixels))


WORK: dict[str, Callable[[Path], object]] = {
    "open().read()": peers.read,
    "area": partial(prepare, method="area"),
    "nearest": partial(prepare, method="nearest"),
    "2018": _as_in_2018,
    "OpenCV": _opencv,
}
