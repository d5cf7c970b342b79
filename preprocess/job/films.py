"""What a worker does with one film: read its size, and make its image unless it is staged already."""

import hashlib

from preprocess.cases.plan import Film
from preprocess.contract.png import decode_png, encode_png
from preprocess.contract.schema import Size
from preprocess.dataset.recipe import MeasuredFilm, PreparedImage, Recipe
from preprocess.files import storage
from preprocess.images.film_task import FilmTask, film_errors, open_film_file
from preprocess.images.formats import open_film
from preprocess.images.make_image import make_image
from preprocess.runtime.errors import RejectedFilm

_HEADER_BYTES = 256 << 10  # requested at a time from a store: a header has about 10 KB, a film about 30 MB


def measure(film: Film, input_root: str, max_pixels: int) -> MeasuredFilm:
    """Reads the size of a film from its header.

    Args:
        max_pixels: the largest number of pixels that a film may have.

    Raises:
        RejectedFilm: the file cannot be opened, or is not a film of at most this size.
    """
    path = storage.join(input_root, film.file)
    if storage.escapes_root(input_root, path):
        raise RejectedFilm("header", "a link that leads out of the input root; put the file itself there")
    with film_errors("header"):
        version = storage.version(path)
    with open_film_file(path, "header", _HEADER_BYTES) as stream:
        image = open_film(stream, max_pixels)
        return MeasuredFilm(film, image.height, image.width, version, image.is_native)


def find_staged(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage | None:
    """Returns the image of a film that an earlier run has staged; None if there is none or its file is damaged.

    Args:
        canvas: (height, width) in pixels.
    """
    staged = recipe.staged_image(measured, canvas)
    if not storage.exists(recipe.staged(staged)):
        return None
    png = storage.read(recipe.staged(staged))
    try:
        pixels = decode_png(png)
    except ValueError:
        return None
    is_undamaged = pixels.shape == recipe.parameters.size and encode_png(pixels) == png
    return _prepared_image(measured, staged, png) if is_undamaged else None


def prepare(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage:
    """Makes the image of a film and stages its PNG. A repeated call writes the same bytes to the same path.

    Args:
        canvas: (height, width) in pixels.

    Raises:
        RejectedFilm: the film is larger than the canvas, its pixels cannot be read, or the file has changed since it
            was measured.
        RunFailed: the PNG cannot be written.
    """
    path, film = recipe.source(measured.film), (measured.height, measured.width)
    parameters = recipe.parameters
    pixels = make_image(
        FilmTask(path, film, canvas, parameters.size, parameters.resample, parameters.max_pixels, measured.is_native)
    )
    with film_errors("pixels"):
        if storage.version(path) != measured.version:  # after reading, to notice a change during it
            raise RejectedFilm("pixels", "the file changed while the job was running")
    staged, png = recipe.staged_image(measured, canvas), encode_png(pixels)
    with storage.output_errors(recipe.output_root):
        storage.write(recipe.staged(staged), png)
    return _prepared_image(measured, staged, png)


def _prepared_image(measured: MeasuredFilm, staged: str, png: bytes) -> PreparedImage:
    digest = hashlib.sha256(png).hexdigest()
    return PreparedImage(measured.film, measured.height, measured.width, staged, len(png), digest)
