"""Makes the small image of a film as the training images were made, and notes why its prediction may be wrong."""

import os
from dataclasses import dataclass

import numpy as np

from pipelines.prediction.film import Film
from preprocess.contract.schema import Size
from preprocess.files import storage
from preprocess.images.dicom.acquisition import is_digital_mammogram
from preprocess.images.film_task import HEADER_BYTES, FilmTask, film_errors, open_film_file
from preprocess.images.formats import open_film
from preprocess.images.make_image import make_image
from preprocess.runtime.errors import RejectedFilm

DIGITAL = "a digital mammogram, but the model was trained on scanned film"


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """How images are made from films.

    Attributes:
        size: (height, width) of an image, in pixels.
        canvas: (height, width) to which a film is padded, in pixels.
        resample: see `pad_and_resize`.
        max_pixels: the largest number of pixels of a film.
    """

    size: Size
    canvas: Size
    resample: str
    max_pixels: int


@dataclass(frozen=True)
class FilmImage:
    """The image of a film.

    Attributes:
        pixels: (height, width) uint16.
        remarks: why the prediction may be wrong.
    """

    film: Film
    pixels: np.ndarray
    remarks: tuple[str, ...]


def read_film(film: Film, recipe: ImageRecipe) -> FilmImage:
    """Reads a film, pads it to the canvas and resizes it.

    Raises:
        RejectedFilm: it is not a whole mammogram that can be read and fits on the canvas.
        RunFailed, InputError: see `make_image`.
    """
    if film.name.fault:
        raise RejectedFilm("match", film.name.fault)
    path = film.path
    with film_errors("header"):
        path = storage.only_file(path) if path.endswith("/") else path
    with open_film_file(path, "header", HEADER_BYTES) as stream:
        version = storage.version_of(stream)
        opened = open_film(stream, recipe.max_pixels)
        is_digital = is_digital_mammogram(stream, stream.seek(0, os.SEEK_END))
    size = (opened.height, opened.width)
    if size == recipe.size:
        raise RejectedFilm("header", "has the size of a prepared image, not of a film; use trainer.evaluate for images")
    if size[0] > recipe.canvas[0] or size[1] > recipe.canvas[1]:
        raise RejectedFilm(
            "canvas",
            f"{size[1]} x {size[0]} pixels are larger than the canvas {recipe.canvas[1]} x {recipe.canvas[0]} of the "
            f"training images (width x height)",
        )
    task = FilmTask(
        path, size, recipe.canvas, recipe.size, recipe.resample, size[0] * size[1], opened.is_native, version
    )
    return FilmImage(film, make_image(task), (DIGITAL,) if is_digital else ())
