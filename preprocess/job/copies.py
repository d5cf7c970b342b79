"""Chooses one of several files of a mammogram: a readable one of the most preferred kind."""

import dataclasses
import itertools

from preprocess.cases.locate import DICOM, IMAGE, LOSSY, FilmFile
from preprocess.cases.plan import Film
from preprocess.dataset.recipe import MeasuredFilm
from preprocess.files import storage
from preprocess.images.dicom.start import MAGIC_BYTES
from preprocess.images.film_task import open_film_file
from preprocess.images.formats import JPEG, PNG, TIFF, raster_format
from preprocess.images.make_image import pixel_digest
from preprocess.job.films import measure_file, task_of
from preprocess.runtime.errors import RejectedFilm

_KINDS = {JPEG: LOSSY, PNG: IMAGE, TIFF: IMAGE}
"""Format of a file -> kind; other files are DICOM, or not readable."""


def measure(film: Film, input_root: str, max_pixels: int) -> MeasuredFilm:
    """Reads the size of a film from its header, and chooses one file if the mammogram has several.

    The kinds of files are tried in the order of preference. All files of a kind are decoded here, and the chosen one
    again when its image is made. A file that is damaged or cannot be decoded is skipped. The others of the same kind
    must contain the same pixels, and the first of them is chosen. If there are none, the next kind is tried.

    Args:
        max_pixels: the largest number of pixels that a film may have.

    Raises:
        RejectedFilm: no file can be read, or files of one kind contain different pixels.
    """
    if len(film.files) == 1:
        return measure_file(film, film.files[0], input_root, max_pixels)
    faults = []
    files = sorted(_with_true_kind(file, input_root) for file in film.files)
    for _, equals in itertools.groupby(files, lambda file: file.kind):
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


def _with_true_kind(file: FilmFile, input_root: str) -> FilmFile:
    """Replaces the kind that the name of a file suggests by that of its content, unless the file cannot be read."""
    path = storage.join(input_root, file.path)
    if storage.escapes_root(input_root, path):
        return file
    try:
        with open_film_file(path, "header", MAGIC_BYTES) as stream:
            found = raster_format(stream.read(MAGIC_BYTES))
    except RejectedFilm:
        return file
    return dataclasses.replace(file, kind=_KINDS.get(found, DICOM) if found else DICOM)


def _decode(film: Film, file: FilmFile, input_root: str, max_pixels: int) -> tuple[MeasuredFilm, bytes]:
    measured = measure_file(film, file, input_root, max_pixels)
    path = storage.join(input_root, measured.film.file)
    size = (measured.height, measured.width)
    return measured, pixel_digest(task_of(measured, path, size, size, ""))
