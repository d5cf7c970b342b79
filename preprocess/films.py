"""The two things that a worker does with a film: measure it by its header, and make its image."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from preprocess import storage
from preprocess.errors import RejectedFilm
from preprocess.example import encode_png
from preprocess.images import open_film
from preprocess.plan import Film
from preprocess.recipe import MeasuredFilm, PreparedImage, Recipe
from preprocess.resize import Size, pad_and_resize

_HEADER_BYTES = 256 << 10  # what a header pass asks a store for at once: a header is some 10 KB, a film 50 MB


def measure(film: Film, input_root: str) -> MeasuredFilm:
    """Reads a film's size from its header.

    Raises:
        RejectedFilm: the file cannot be opened, or its header is not that of a film it holds.
    """
    with _opened(storage.join(input_root, film.file), "header", _HEADER_BYTES) as stream:
        opened = open_film(stream)
        return MeasuredFilm(film, opened.height, opened.width)


def prepare(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage:
    """Pads and resizes a film and stages its PNG. Doing it again writes the same bytes to the same place.

    Args:
        canvas: (height, width) in pixels.

    Raises:
        RejectedFilm: the film is larger than the canvas, or its pixels cannot be read.
    """
    with _opened(recipe.source(measured.film), "pixels") as stream:
        opened = open_film(stream)
        if (opened.height, opened.width) != (measured.height, measured.width):
            raise RejectedFilm("pixels", "the file changed while the job was running")
        pixels = pad_and_resize(opened, canvas, recipe.size, recipe.method)
    png = encode_png(pixels)
    image = PreparedImage(measured.film, measured.height, measured.width, len(png), hashlib.sha256(png).hexdigest())
    storage.write(recipe.staged(image.file), png)
    return image


@contextmanager
def _opened(path: str, stage: str, buffer: int = storage.BUFFER_BYTES) -> Iterator[BinaryIO]:
    try:
        stream = storage.open_for_reading(path, buffer)
    except OSError as error:
        raise RejectedFilm(stage, f"the file cannot be opened ({error.strerror or type(error).__name__})") from error
    with stream:
        yield stream
