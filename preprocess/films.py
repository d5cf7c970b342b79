"""The two things that a worker does with a film: measure it by its header, and make its image."""

import hashlib

from preprocess import storage
from preprocess.decoding import opened, resize_film
from preprocess.example import encode_png
from preprocess.helper import Task
from preprocess.images import open_film
from preprocess.plan import Film
from preprocess.recipe import MeasuredFilm, PreparedImage, Recipe
from preprocess.resize import Size

_HEADER_BYTES = 256 << 10  # what a header pass asks a store for at once: a header is some 10 KB, a film 50 MB


def measure(film: Film, input_root: str, max_pixels: int) -> MeasuredFilm:
    """Reads a film's size from its header.

    Args:
        max_pixels: how many a film may have.

    Raises:
        RejectedFilm: the file cannot be opened, or its header is not that of a film it holds.
    """
    with opened(storage.join(input_root, film.file), "header", _HEADER_BYTES) as stream:
        image = open_film(stream, max_pixels)
        return MeasuredFilm(film, image.height, image.width)


def prepare(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage:
    """Pads and resizes a film and stages its PNG. Doing it again writes the same bytes to the same place.

    Args:
        canvas: (height, width) in pixels.

    Raises:
        RejectedFilm: the film is larger than the canvas, or its pixels cannot be read.
    """
    film = (measured.height, measured.width)
    task = Task(recipe.source(measured.film), film, canvas, recipe.size, recipe.method, recipe.max_pixels)
    pixels = resize_film(task)
    png = encode_png(pixels)
    image = PreparedImage(measured.film, measured.height, measured.width, len(png), hashlib.sha256(png).hexdigest())
    storage.write(recipe.staged(image.file), png)
    return image
