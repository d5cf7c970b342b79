"""Synthesizes one film of the sample, with its crops and masks."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pipelines.sample import descriptions, dicom_files
from pipelines.sample.breast import synthesize_film
from pipelines.sample.film_size import random_size, size_with_pixels
from preprocess.files import storage

SMALLER = 10  # a film that is not of full size has a tenth of the height and of the width


@dataclass(frozen=True)
class FilmJob:
    """A film that a worker process writes, with its crops and masks.

    Attributes:
        root: the output folder or gs:// prefix.
        study, series: UIDs.
        density: 1 to 4; any other number if the category is not known.
        side: "LEFT" or "RIGHT".
        view: "CC" or "MLO".
        abnormalities: number of crops and of masks.
        seed: of the random numbers, together with the mammogram ID.
        full_size: whether the film is as large as a real one.
        real_bytes: size of the real film's file; None if there is no real film.
    """

    root: str
    mammogram_id: str
    study: str
    series: str
    density: int
    side: str
    view: str
    abnormalities: int
    seed: int
    full_size: bool
    real_bytes: int | None = None


def write_film(job: FilmJob) -> None:
    """Synthesizes a film and writes it, with a crop and a mask for each abnormality.

    For a film of CBIS-DDSM, height and width are chosen so that its pixels and a header of `LARGEST_HEADER` bytes
    together are as large as the real file, or a few bytes smaller. If the film is of full size, a longer comment makes
    its file exactly as large as the real one.
    """
    digest = hashlib.sha256(job.mammogram_id.encode()).digest()
    rng = np.random.default_rng([job.seed, *digest[:16]])
    if job.real_bytes is None:
        height, width = random_size(rng)
    else:
        height, width = size_with_pixels((job.real_bytes - dicom_files.LARGEST_HEADER) // 2, rng)
    smaller = 1 if job.full_size else SMALLER
    pixels = synthesize_film((height // smaller, width // smaller), job.density, job.side, job.view, rng)
    dicom_files.write_dicom(
        storage.join(job.root, dicom_files.descriptive_path(job.mammogram_id, job.study, job.series, dicom_files.FULL)),
        pixels,
        job.mammogram_id,
        job.study,
        job.series,
        dicom_files.FULL,
        job.side,
        job.view,
        job.real_bytes if job.full_size else None,
    )
    for number in range(1, job.abnormalities + 1):
        _write_abnormality(job, number, pixels, rng)


def _write_abnormality(job: FilmJob, number: int, pixels: np.ndarray, rng: np.random.Generator) -> None:
    height, width = pixels.shape
    extent = height // 12
    top, left = int(rng.uniform(0.3, 0.6) * height), int(rng.uniform(0.3, 0.5) * width)
    crop = pixels[top : top + extent, left : left + extent]
    mask = np.zeros(pixels.shape, np.uint8)
    mask[top : top + extent, left : left + extent] = 255
    folder = f"{job.mammogram_id}_{number}"
    study, series = (descriptions.uid(job.mammogram_id, number, name) for name in ("study", "series"))
    for image, description, file in ((mask, dicom_files.MASK, 1), (crop, dicom_files.CROP, 2)):
        path = storage.join(job.root, dicom_files.descriptive_path(folder, study, series, description, file))
        dicom_files.write_dicom(path, image, folder, study, series, description, job.side, job.view)
