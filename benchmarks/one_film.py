"""One film, one process: from its file to the bytes of its PNG and of its record."""

import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import films, peers
from benchmarks.measure import Row, Times, side_by_side
from preprocess.decoding import resize_film
from preprocess.example import LabelledImage, encode_example, encode_png
from preprocess.helper import Task
from preprocess.images import open_film
from preprocess.pixels import MAX_PIXELS

PEERS = {"2018": peers.as_in_2018, "OpenCV": peers.opencv_area}


def run(folder: Path) -> list[Row]:
    """All sizes, each beside its peers; a row's figures are means over the sizes of the medians of the rounds."""
    times = [_compare(path) for path in films.write_films(folder)]

    def mean(name: str) -> float:
        return statistics.mean(each.median(name) for each in times)

    def row(name: str, peer: str, bound: str, inverse: bool = False) -> Row:
        ratio = statistics.mean(each.ratio(*((peer, name) if inverse else (name, peer))) for each in times)
        goal = f"one film, {peer} / {name}" if inverse else f"one film, {name} / {peer}"
        return Row(goal, f"{1e3 * mean(name):.1f} ms", f"{1e3 * mean(peer):.1f} ms", ratio, bound)

    return [
        row("area", "open().read()", "<= 0.5"),
        row("area", "2018", ">= 25", inverse=True),
        row("area", "OpenCV", ">= 12", inverse=True),
        row("nearest", "open().read()", "<= 0.1"),
    ]


def prepare(path: Path, method: str) -> tuple[bytes, bytes]:
    """What a worker does with a film, but for the writing: its header, its image, PNG bytes, record bytes."""
    return _encoded(resized(path, method))


def resized(path: Path, method: str) -> np.ndarray:
    """The small image of a film, its header being read twice, as in the job."""
    with path.open("rb") as stream:
        film = open_film(stream)
        size = film.height, film.width
    return resize_film(Task(str(path), size, films.CANVAS, films.OUT, method, MAX_PIXELS))


def _compare(path: Path) -> Times:
    things: dict[str, Callable[[], object]] = {
        "open().read()": lambda: peers.read(path),
        "area": lambda: prepare(path, "area"),
        "nearest": lambda: prepare(path, "nearest"),
    }
    for name, peer in PEERS.items():
        things[name] = lambda peer=peer: _encoded(peer(path, films.CANVAS, films.OUT))  # type: ignore[misc]
    return side_by_side(things)


def _encoded(pixels: np.ndarray) -> tuple[bytes, bytes]:
    return encode_png(pixels), encode_example(LabelledImage("1_Calc-Training_P_00001_LEFT_CC", 0, pixels))
