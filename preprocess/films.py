"""What a worker does with a film: measure it by its header, and make its image, if it is not there yet."""

import hashlib

from preprocess import storage
from preprocess.decoding import about_film, opened, resize_film
from preprocess.errors import RejectedFilm
from preprocess.example import decode_png, encode_png
from preprocess.helper import Task
from preprocess.images import open_film
from preprocess.plan import Film
from preprocess.recipe import MeasuredFilm, PreparedImage, Recipe
from preprocess.resize import Size

_HEADER_BYTES = 256 << 10  # what a header pass asks a store for at once: a header is some 10 KB, a film 50 MB


def measure(film: Film, input_root: str, max_pixels: int) -> MeasuredFilm:
    """Reads a film's size from its header.

    Args:
        max_pixels: how many it may have.

    Raises:
        RejectedFilm: the file cannot be opened, or its header is not that of a film it holds.
    """
    path = storage.join(input_root, film.file)
    if storage.leads_out(input_root, path):
        raise RejectedFilm("header", "a link that leads out of the input root; put the file itself there")
    with about_film("header"):
        version = storage.version(path)
    with opened(path, "header", _HEADER_BYTES) as stream:
        image = open_film(stream, max_pixels)
        return MeasuredFilm(film, image.height, image.width, version)


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
    path, film = recipe.source(measured.film), (measured.height, measured.width)
    pixels = resize_film(Task(path, film, canvas, recipe.size, recipe.method, recipe.max_pixels))
    with about_film("pixels"):
        if storage.version(path) != measured.version:  # also when it changed while it was read
            raise RejectedFilm("pixels", "the file changed while the job was running")
    staged, png = recipe.staged_image(measured, canvas), encode_png(pixels)
    with storage.about_output(recipe.output_root):
        storage.write(recipe.staged(staged), png)
    return _prepared(measured, staged, png)


def _prepared(measured: MeasuredFilm, staged: str, png: bytes) -> PreparedImage:
    digest = hashlib.sha256(png).hexdigest()
    return PreparedImage(measured.film, measured.height, measured.width, staged, len(png), digest)
