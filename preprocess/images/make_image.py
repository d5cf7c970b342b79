"""Makes the small image of a film, in this process or in a decoder process.

Uncompressed DICOM films are read in this process, by NumPy. Every other format needs a decoder written in C. A broken
file can make such a decoder crash, loop or use all memory, which no `except` catches; so it runs in a decoder process,
which returns the small image only. If a decoder process dies, its film is tried once more in a new process, and then
rejected; a film that exceeds a time limit is rejected at once.

Headers are always parsed in this process, by Python code that limits how much it reads: this project's own for DICOM,
Pillow's for the other formats.
"""

import dataclasses

import numpy as np

from preprocess.images import decoder_process, resize
from preprocess.images.decoder_memory import MemoryBudget, budget_of_worker, needed_memory
from preprocess.images.film_task import FilmTask, open_task
from preprocess.images.resize import pad_and_resize
from preprocess.runtime.errors import RejectedFilm

_budget = MemoryBudget(budget_of_worker())
"""The memory for the decoder processes of this worker, shared by its threads."""


def pixel_digest(task: FilmTask) -> bytes:
    """Returns the SHA-256 of a film's size and pixels on the full range; `size` and `method` of the task are not used.

    Raises:
        RejectedFilm, RunFailed, InputError: see `make_image`.
    """
    return make_image(dataclasses.replace(task, size=resize.DIGEST_SIZE, method=resize.DIGEST)).tobytes()


def make_image(task: FilmTask) -> np.ndarray:
    """Reads, pads and resizes a film.

    Returns:
        (height, width) uint16, of `task.size`.

    Raises:
        RejectedFilm: the film cannot be read or decoded, or is not the one that was measured.
        RunFailed: a decoder process cannot be started or was stopped by a signal from outside, or a store failed.
        InputError: there are no credentials for a store.
    """
    if task.is_native:
        with open_task(task) as film:
            if film.is_native:  # else the file was replaced after it was measured
                return pad_and_resize(film, task.canvas, task.size, task.method)
    with _budget.reserve(needed_memory(task)):
        return _decode(task)


def _decode(task: FilmTask) -> np.ndarray:
    """Decodes a film in a decoder process, and once more in a new one if that process dies."""
    try:
        return decoder_process.decode(task, decoder_process.take_idle())
    except decoder_process.DecoderDied:  # the cause may be an earlier film, or the machine was out of memory
        pass
    try:
        return decoder_process.decode(task, decoder_process.DecoderProcess())
    except decoder_process.DecoderDied as died:
        raise RejectedFilm("pixels", str(died)) from died
