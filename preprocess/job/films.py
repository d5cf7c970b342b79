"""What a worker does with one film: read its size, and make its image unless an earlier run has made it."""

import dataclasses
import hashlib

from preprocess.cases.locate import FilmFile
from preprocess.cases.plan import Film
from preprocess.contract.png import decode_png, encode_png
from preprocess.contract.schema import Size
from preprocess.dataset.recipe import MeasuredFilm, PreparedImage, Recipe
from preprocess.files import storage
from preprocess.images.film_task import HEADER_BYTES, FilmTask, film_errors, open_film_file
from preprocess.images.formats import open_film
from preprocess.images.make_image import make_image
from preprocess.runtime.errors import RejectedFilm


def measure_file(film: Film, file: FilmFile, input_root: str, max_pixels: int) -> MeasuredFilm:
    """Reads the size of a film from the header of one of its files.

    Args:
        file: the one to use; the others are left out of the returned film.
        max_pixels: the largest number of pixels that a film may have.

    Raises:
        RejectedFilm: the file cannot be opened, or is not a film of at most this size.
    """
    path = storage.join(input_root, file.path)
    if storage.escapes_root(input_root, path):
        raise RejectedFilm("header", "a link that leads out of the input root; put the file itself there")
    if is_folder := file.path.endswith("/"):
        with film_errors("header"):
            path = storage.only_file(path)
    with open_film_file(path, "header", HEADER_BYTES) as stream:
        version = storage.version_of(stream)
        image = open_film(stream, max_pixels)
        if is_folder:
            file = dataclasses.replace(file, path=path[len(input_root) + 1 :], version=version)
        chosen = dataclasses.replace(film, files=(file,))
        return MeasuredFilm(chosen, image.height, image.width, version, image.is_native)


def find_image(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage | None:
    """Returns the image of a film that an earlier run has made: staged, or published in the data set to be replaced.

    A published image is copied to the staging folder.

    Args:
        canvas: (height, width) in pixels.

    Returns:
        None if there is none, or if its file is damaged.

    Raises:
        RunFailed: the output cannot be read or written.
    """
    staged = recipe.staged_image(measured, canvas)
    with storage.output_errors(recipe.output_root):
        if storage.exists(recipe.staged(staged)):
            png = storage.read(recipe.staged(staged))
            if _is_undamaged(png, recipe):
                return _prepared_image(measured, staged, png)
        film = measured.film
        final = recipe.final(film.image_file)
        if film.published and measured.version == film.version and canvas == recipe.published_canvas:
            png = storage.read(final) if storage.exists(final) else b""
            if hashlib.sha256(png).hexdigest() == film.published:
                storage.write(recipe.staged(staged), png)
                return _prepared_image(measured, staged, png)
    return None


def prepare(measured: MeasuredFilm, canvas: Size, recipe: Recipe) -> PreparedImage:
    """Makes the image of a film and stages its PNG. A repeated call writes the same bytes to the same path.

    Args:
        canvas: (height, width) in pixels.

    Raises:
        RejectedFilm: the film is larger than the canvas, its pixels cannot be read, or the file has changed since it
            was measured.
        RunFailed: the PNG cannot be written.
    """
    path = recipe.source(measured.film)
    pixels = make_image(task_of(measured, path, canvas, recipe.parameters.size, recipe.parameters.resample))
    if storage.is_local(path):  # not needed in a store, where one generation of the object is read
        with film_errors("pixels"):
            if storage.version(path) != measured.version:  # after reading, to notice a change during it
                raise RejectedFilm("pixels", "the file changed while the job was running")
    staged, png = recipe.staged_image(measured, canvas), encode_png(pixels)
    with storage.output_errors(recipe.output_root):
        storage.write(recipe.staged(staged), png)
    return _prepared_image(measured, staged, png)


def task_of(measured: MeasuredFilm, path: str, canvas: Size, size: Size, method: str) -> FilmTask:
    """Returns the task of reading a measured film; its size was checked when it was measured."""
    film = (measured.height, measured.width)
    return FilmTask(path, film, canvas, size, method, film[0] * film[1], measured.is_native, measured.version)


def _is_undamaged(png: bytes, recipe: Recipe) -> bool:
    try:
        pixels = decode_png(png)
    except ValueError:
        return False
    return pixels.shape == recipe.parameters.size and encode_png(pixels) == png


def _prepared_image(measured: MeasuredFilm, staged: str, png: bytes) -> PreparedImage:
    digest = hashlib.sha256(png).hexdigest()
    return PreparedImage(measured.film, measured.height, measured.width, staged, len(png), digest)
