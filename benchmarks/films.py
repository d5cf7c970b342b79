"""Synthetic films of real size, and downloads of many of them."""

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.sample.breast import synthesize_film
from pipelines.sample.dicom_files import FULL, write_dicom
from preprocess.contract import schema
from preprocess.contract.schema import Size

SMALLEST, LARGEST = (3256, 1531), (7111, 5431)
COUNT = 16
CANVAS = LARGEST
OUT: Size = (schema.IMAGE_HEIGHT, schema.IMAGE_WIDTH)
COLUMNS = ("patient_id", "breast_density", "left or right breast", "image view", "image file path")


def sizes(smaller: int = 1) -> list[Size]:
    """16 (height, width), evenly from CBIS-DDSM's smallest film to its largest: 39 MB on average."""
    heights, widths = (np.linspace(*ends, COUNT) // smaller for ends in zip(SMALLEST, LARGEST, strict=True))
    return [(int(height), int(width)) for height, width in zip(heights, widths, strict=True)]


def write_films(folder: Path, smaller: int = 1) -> list[Path]:
    """One uncompressed DICOM film of each size, beside a folder, where all measurements find them."""
    folder = folder.parent / "films"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, size in enumerate(sizes(smaller)):
        path = folder / f"film-{smaller}-{number:02d}.dcm"
        paths.append(path)
        if not path.exists():
            pixels = synthesize_film(size, number % 4 + 1, "LEFT", "CC", np.random.default_rng(number))
            write_dicom(str(path), pixels, path.stem, f"1.2.{number}", f"1.3.{number}", FULL)
    return paths


def described(number: int) -> tuple[str, str, str, str]:
    """A case of a download: its split, patient, name, and the path of its film. One in five is of the test set."""
    split = "Test" if number % 5 == 4 else "Training"
    patient = f"P_{number:05d}"
    case = f"Mass-{split}_{patient}_LEFT_CC"
    return split, patient, case, f"{case}/1.2.{number}/1.3.{number}/000000.dcm"


@dataclass(frozen=True)
class Download:
    """So many cases, whose films are hard links to some.

    Attributes:
        root: its folder.
        words: what names it to the job.
    """

    root: Path
    count: int
    words: tuple[str, ...]


@contextmanager
def download(folder: Path, films: list[Path], count: int) -> Iterator[Download]:
    """Makes a download, and removes it again."""
    root = folder / f"download-{count}"
    shutil.rmtree(root, ignore_errors=True)
    rows: dict[str, list[tuple]] = {"Training": [], "Test": []}
    for number in range(count):
        split, patient, _, path = described(number)
        rows[split].append((patient, number % 4 + 1, "LEFT", "CC", path))
        film = root / "films" / path
        film.parent.mkdir(parents=True, exist_ok=True)
        os.link(films[number % len(films)], film)
    for split, table in rows.items():
        with (root / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *table])
    words = (f"--input={root}/films", f"--train_csv={root}/Training.csv", f"--test_csv={root}/Test.csv")
    try:
        yield Download(root, count, words)
    finally:
        shutil.rmtree(root)
