"""Chooses one of several files of a mammogram: a readable one of the most preferred kind."""

import itertools

from preprocess.cases.locate import FilmFile
from preprocess.cases.plan import Film
from preprocess.dataset.recipe import MeasuredFilm
from preprocess.files import storage
from preprocess.images.make_image import pixel_digest
from preprocess.job.films import measure_file, task_of
from preprocess.runtime.errors import RejectedFilm


def measure(film: Film, input_root: str, max_pixels: int) -> MeasuredFilm:
    """Reads the size of a film from its header.

    If a mammogram has several files, they are compared first. Files of one kind are equal, and must contain the same
    pixels. A file that is damaged or cannot be decoded is passed over. To know this, the pixels of all files of the
    chosen kind are decoded here, once more than those of a mammogram with a single file.

    Args:
        max_pixels: the largest number of pixels that a film may have.

    Raises:
        RejectedFilm: no file can be read, or equal files contain different pixels.
    """
    if len(film.files) == 1:
        return measure_file(film, film.files[0], input_root, max_pixels)
    faults = []
    for _, equals in itertools.groupby(film.files, lambda file: file.kind):
        readable: dict[bytes, MeasuredFilm] = {}
        for file in equals:
            try:
                measured, digest = _decode(film, file, input_root, max_pixels)
                readable.setdefault(digest, measured)
            except RejectedFilm as rejected:
                faults.append(f"{file.path}: {rejected.reason}")
        if len(readable) > 1:
            paths = ", ".join(measured.film.file for measured in readable.values())
            raise RejectedFilm("pixels", f"{len(readable)} files with different pixels: {paths}; leave the right one")
        for measured in readable.values():
            return measured
    raise RejectedFilm("pixels", f"none of its {len(film.files)} files can be read: {'; '.join(faults)}")


def _decode(film: Film, file: FilmFile, input_root: str, max_pixels: int) -> tuple[MeasuredFilm, bytes]:
    measured = measure_file(film, file, input_root, max_pixels)
    path = storage.join(input_root, measured.film.file)
    size = (measured.height, measured.width)
    return measured, pixel_digest(task_of(measured, path, size, size, ""))
