"""What a worker does with a film: measure it by its header, and make its image, if it is not there yet."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from preprocess import storage
from preprocess.errors import RejectedFilm
from preprocess.example import decode_png, encode_png
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
    with _opened(input_root, film, "header", _HEADER_BYTES) as stream:
        opened = open_film(stream)
        return MeasuredFilm(film, opened.height, opened.width, _version(input_root, film, "header"))


def find(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage | None:
    """The image of a film that an earlier run has staged, if it did, and the file is sound.

    Args: as `prepare`.
    """
    staged = recipe.staged_image(measured, canvas)
    if not storage.exists(recipe.staged(staged)):
        return None
    png = storage.read(recipe.staged(staged))
    try:
        pixels = decode_png(png)
    except ValueError:
        return None
    is_sound = pixels.shape == recipe.size and encode_png(pixels) == png
    return _prepared(measured, staged, png) if is_sound else None


def prepare(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage:
    """Pads and resizes a film and stages its PNG. Doing it again writes the same bytes to the same place.

    Args:
        canvas: (height, width) in pixels.

    Raises:
        RejectedFilm: the film is larger than the canvas, its pixels cannot be read, or the file is no longer the one
            that was measured.
        RunFailed: the image cannot be written.
    """
    film = measured.film
    with _opened(recipe.input_root, film, "pixels") as stream:
        opened = open_film(stream)
        pixels = pad_and_resize(opened, canvas, recipe.size, recipe.method)
    if _version(recipe.input_root, film, "pixels") != measured.version:  # also when it changed just now
        raise RejectedFilm("pixels", "the file changed while the job was running")
    staged, png = recipe.staged_image(measured, canvas), encode_png(pixels)
    with storage.about_output(recipe.output_root):
        storage.write(recipe.staged(staged), png)
    return _prepared(measured, staged, png)


def _prepared(measured: MeasuredFilm, staged: str, png: bytes) -> PreparedImage:
    digest = hashlib.sha256(png).hexdigest()
    return PreparedImage(measured.film, measured.height, measured.width, staged, len(png), digest)


@contextmanager
def _opened(root: str, film: Film, stage: str, buffer: int = storage.BUFFER_BYTES) -> Iterator[BinaryIO]:
    path = storage.join(root, film.file)
    if storage.leads_out(root, path):
        raise RejectedFilm(stage, "a link that leads out of the input root; put the file itself there")
    with _about(stage):
        stream = storage.open_for_reading(path, buffer)
    with stream:
        yield stream


def _version(root: str, film: Film, stage: str) -> str:
    with _about(stage):
        return storage.version(storage.join(root, film.file))


@contextmanager
def _about(stage: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RejectedFilm(stage, f"the file cannot be opened ({error.strerror or type(error).__name__})") from error
