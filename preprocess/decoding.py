"""From a film's file to its small image, without trusting any decoder with the worker's own process.

An uncompressed DICOM film is read here, by numpy. Every other film is for a decoder in C, which a broken file can make
crash, run for ever or ask for all memory there is; no `except` holds that. Such films are decoded by helpers, processes
of `preprocess.decoder`, which do all of the work and send back the small image alone. What ends a helper costs the film
that it was given, after that film has been tried a second time in a helper that has seen no other; what takes too much
time costs it at once.

Headers are read here, whatever the format: by this project's code for DICOM and by Pillow's for the rest, both Python,
and both of them limited in what they may read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from preprocess import helper, storage
from preprocess.dicom import NativeFilm
from preprocess.errors import RejectedFilm
from preprocess.helper import Task
from preprocess.images import open_film
from preprocess.pixels import FilmImage
from preprocess.resize import SPARSE, pad_and_resize


def resize_film(task: Task) -> np.ndarray:
    """Reads, pads and resizes a film, here or in a helper.

    Returns:
        size, uint16.

    Raises:
        RejectedFilm: the film cannot be read or decoded, or is not the one that was measured.
        RunFailed: helpers cannot be started, or were stopped from outside.
        InputError, RunFailed: as `storage` says.
    """
    with open_task(task) as film:
        if isinstance(film, NativeFilm):
            return pad_and_resize(film, task.canvas, task.size, task.method)
    try:
        return helper.decode(task, helper.take())
    except helper.Ended:  # through another film's doing, perhaps, or because the machine was out of memory
        pass
    try:
        return helper.decode(task, helper.Helper())
    except helper.Ended as ended:
        raise RejectedFilm("pixels", str(ended)) from ended


@contextmanager
def opened(path: str, stage: str, buffer: int = storage.BUFFER_BYTES, whole: bool = False) -> Iterator[BinaryIO]:
    """Opens a film's file.

    Args:
        stage: at which the film is rejected where that is not possible.
        buffer, whole: see `storage.open_for_reading`.
    """
    with about_film(stage):
        stream = storage.open_for_reading(path, buffer, whole)
    with stream:
        yield stream


@contextmanager
def about_film(stage: str) -> Iterator[None]:
    """Says in a line what the system or a store has against a film's file.

    Raises:
        RejectedFilm: the line.
    """
    try:
        yield
    except OSError as error:
        raise RejectedFilm(stage, f"the file cannot be opened ({error.strerror or type(error).__name__})") from error


@contextmanager
def open_task(task: Task) -> Iterator[FilmImage]:
    """Opens the film of a task and makes sure that it is still the one that was measured."""
    with opened(task.path, "pixels", whole=task.method not in SPARSE) as stream:
        film = open_film(stream, task.max_pixels)
        if (film.height, film.width) != task.film:
            raise RejectedFilm("pixels", "the file changed while the job was running")
        yield film
