"""Writes synthetic films of real size, and downloads that contain each of them many times."""

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
    """Returns 16 sizes (height, width), evenly from the smallest film of CBIS-DDSM to the largest: 39 MB on average.

    Args:
        smaller: divides height and width.
    """
    heights, widths = (np.linspace(*ends, COUNT) // smaller for ends in zip(SMALLEST, LARGEST, strict=True))
    return [(int(height), int(width)) for height, width in zip(heights, widths, strict=True)]


def write_films(folder: Path, smaller: int = 1) -> list[Path]:
    """Writes an uncompressed DICOM film of each size to a folder next to `folder`, which all benchmarks share."""
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
    """Returns split, patient, mammogram ID and film path of a mammogram; every fifth one is in the test set."""
    split = "Test" if number % 5 == 4 else "Training"
    patient = f"P_{number:05d}"
    mammogram_id = f"Mass-{split}_{patient}_LEFT_CC"
    return split, patient, mammogram_id, f"{mammogram_id}/1.2.{number}/1.3.{number}/000000.dcm"


@dataclass(frozen=True)
class Download:
    """A download with `count` mammograms, whose films are hard links to a few files.

    Attributes:
        root: its folder.
        arguments: the options of the job that name it.
    """

    root: Path
    count: int
    arguments: tuple[str, ...]


@contextmanager
def download(folder: Path, films: list[Path], count: int) -> Iterator[Download]:
    """Makes a download, which is deleted when the context is left."""
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
    arguments = (f"--input={root}/films", f"--train_csv={root}/Training.csv", f"--test_csv={root}/Test.csv")
    try:
        yield Download(root, count, arguments)
    finally:
        shutil.rmtree(root)
