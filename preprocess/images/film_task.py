"""The task of making one small image: path, sizes and time limits of a film, and how its file is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from preprocess.contract.schema import Size
from preprocess.files import storage
from preprocess.images.formats import open_film
from preprocess.images.pixels import FilmImage
from preprocess.images.resize import READS_FEW_ROWS
from preprocess.runtime.errors import RejectedFilm

HEADER_BYTES = 256 << 10
"""Requested at a time from a store for a header: it has about 1 KB, a film about 30 MB."""


@dataclass(frozen=True, slots=True)
class FilmTask:
    """What is to be made from one film.

    Attributes:
        path: of the file, local or gs://.
        film: (height, width) in pixels, from the header, when the film was measured.
        canvas, size, method: see `pad_and_resize`.
        max_pixels: see `open_film`.
        is_native: whether the pixel data were uncompressed DICOM when the film was measured.
        version: of the file when the film was measured, see `storage.version`.
    """

    path: str
    film: Size
    canvas: Size
    size: Size
    method: str
    max_pixels: int
    is_native: bool = True
    version: str = ""

    @property
    def cpu_seconds(self) -> int:
        """CPU time limit for decoding: 9 s, or 1 s for each million pixels if that is more.

        JPEG 2000, the slowest format, takes a fifth of it on a slow machine, other formats a hundredth.
        """
        return max(9, self.film[0] * self.film[1] // 1_000_000)

    @property
    def wall_seconds(self) -> int:
        """Time limit for reading and decoding, for a decoder that waits without using CPU, e.g. on a stalled mount.

        It is longer than the 120 s for which a request to a store is retried, and allows for a busy machine.
        """
        return 240 + 10 * self.cpu_seconds


@contextmanager
def open_film_file(
    path: str, stage: str, buffer: int = storage.BUFFER_BYTES, whole: bool = False
) -> Iterator[BinaryIO]:
    """Opens the file of a film.

    Args:
        stage: at which the film is rejected if the file cannot be opened.
        buffer, whole: see `storage.open_for_reading`.

    Raises:
        RejectedFilm: the file cannot be opened, or cannot be read in the context.
    """
    with film_errors(stage):
        stream = storage.open_for_reading(path, buffer, whole)
    with film_errors(stage, "read"), stream:
        yield stream


@contextmanager
def film_errors(stage: str, action: str = "opened") -> Iterator[None]:
    """Converts OSError to RejectedFilm.

    Args:
        stage: at which the film is rejected.
        action: "opened" or "read", for the message.
    """
    try:
        yield
    except OSError as error:
        raise RejectedFilm(stage, f"the file cannot be {action} ({error.strerror or type(error).__name__})") from error


@contextmanager
def open_task(task: FilmTask) -> Iterator[FilmImage]:
    """Opens the film of a task.

    Raises:
        RejectedFilm: the file cannot be opened, is not a film, or is not the one that was measured.
    """
    with open_film_file(task.path, "pixels", whole=task.method not in READS_FEW_ROWS) as stream:
        is_same = task.version in ("", storage.version_of(stream))
        film = open_film(stream, task.max_pixels)
        if not is_same or (film.height, film.width) != task.film:
            raise RejectedFilm("pixels", "the file changed while the job was running")
        yield film
