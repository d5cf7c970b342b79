"""Synthetic films with the names and the exact sizes of the 3,103 films of CBIS-DDSM in the bucket `idc-open-data`.

The object of a film is `<folder>/<instance>.dcm`, as in the bucket. The folder is that of the catalogue; the real
instance UUIDs are not known here, so the instance is a version 5 UUID of the folder. A file consists of a header of
about 1 KB and rows x columns pixels of 16 bits. The catalogue contains the number of bytes of a file only, so the
number of rows and columns is chosen here: the header contains a comment, which is padded with spaces to the smallest
length with which the remaining bytes are those of a film of plausible height and width, see `Film.shape`.

The pixels of every film are those of one block of 8 MiB, repeated, from a first pixel that depends on the folder. Every
film contains the whole block, so the smallest and the largest pixel value are the same for all films.
"""

import base64
import functools
import io
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

from pipelines.sample.dicom_files import FULL, describe_pixels, make_header
from preprocess.cases import catalogue
from preprocess.contract.schema import Size

BLOCK_BYTES = 8 << 20  # less than the smallest film
HEIGHTS, WIDTHS = (3256, 7111), (1531, 5431)
"""Smallest and largest number of rows and of columns of a film of CBIS-DDSM."""
_SHAPES = 1.2, 2.4  # smallest and largest ratio of height to width
_USUAL_SHAPE = 1.7
_COMMENT = "Synthetic film, shows no person"
_LONGEST_COMMENT = 1024
_SEED = 2012
_PIXEL_DATA = 0x7FE0, 0x0010


@dataclass(frozen=True)
class Film:
    """A film of the catalogue.

    Attributes:
        folder: a UUID, the folder of its series in the bucket.
        byte_count: size of its file.
    """

    mammogram_id: str
    study_uid: str
    series_uid: str
    side: str
    view: str
    folder: str
    byte_count: int

    @property
    def instance(self) -> uuid.UUID:
        return uuid.uuid5(uuid.UUID(self.folder), "instance")

    @property
    def name(self) -> str:
        """The name of its object in the bucket."""
        return f"{self.folder}/{self.instance}.dcm"

    @property
    def generation(self) -> int:
        """The generation of its object: a number of microseconds since 1970, as in Google Cloud Storage."""
        return 1_690_000_000_000_000 + self.instance.time_low

    @functools.cached_property
    def shape(self) -> Size:
        """(height, width) in pixels, see `_shape`."""
        return self._arranged[0]

    @functools.cached_property
    def header(self) -> bytes:
        """The bytes of the file before its pixels."""
        return self._arranged[1]

    @functools.cached_property
    def crc32c(self) -> str:
        """The CRC32C of the file, in the form of Google Cloud Storage: Base64 of four big-endian bytes."""
        total = 0
        for piece in self.pieces(0, self.byte_count):
            total = google_crc32c.extend(total, bytes(piece))
        return base64.b64encode(total.to_bytes(4, "big")).decode()

    @functools.cached_property
    def _arranged(self) -> tuple[Size, bytes]:
        shortest = len(_COMMENT) + len(_COMMENT) % 2
        fixed = len(self._format_header((1, 1), shortest)) - shortest
        for comment in range(shortest, _LONGEST_COMMENT, 2):
            if shape := _shape((self.byte_count - fixed - comment) // 2):
                return shape, self._format_header(shape, comment)
        raise ValueError(f"{self.name}: {self.byte_count} bytes are not the size of a film")

    def _format_header(self, shape: Size, comment: int) -> bytes:
        """Returns the header, with the elements of the films in the bucket.

        Args:
            comment: number of bytes to which the comment is padded.
        """
        dataset = make_header(
            f"2.25.{self.instance.int}", self.mammogram_id, self.study_uid, self.series_uid, FULL, self.side, self.view
        )
        del dataset.ContentDate, dataset.ContentTime  # room for the comment in a header of the usual length
        describe_pixels(dataset, shape, 16, _value_range())
        dataset.ImageComments = _COMMENT.ljust(comment)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue() + struct.pack("<HHI", *_PIXEL_DATA, 2 * shape[0] * shape[1])

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes of the file from `start` to before `stop`; nothing is copied."""
        header, block = memoryview(self.header), memoryview(_block())
        if start < len(header):
            yield header[start:stop]
        first = 2 * self.instance.time_low - len(header)
        position = max(start, len(header))
        while position < stop:
            offset = (first + position) % BLOCK_BYTES
            piece = block[offset : offset + stop - position]
            yield piece
            position += len(piece)


@functools.cache
def read_films() -> dict[str, Film]:
    """Returns folder -> film for all films of the catalogue."""
    return {
        e.idc_folder: Film(
            mammogram_id=e.mammogram_id, study_uid=e.study_uid, series_uid=e.series_uid, side=e.side, view=e.view,
            folder=e.idc_folder, byte_count=e.bytes,
        )
        for e in catalogue.entries()
    }  # fmt: skip


def write_film(folder: str, root: Path) -> Path:
    """Writes the film of a folder in the bucket to a file below a local root; returns the path of the file."""
    film = read_films()[folder]
    path = root / film.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(film.pieces(0, film.byte_count))
    return path


def _shape(pixels: int) -> Size | None:
    """Returns (height, width) of a plausible film with this number of pixels; None if there is none.

    Height, width and their ratio are within those of CBIS-DDSM; of several, the one nearest to the usual ratio.
    """
    heights = np.arange(HEIGHTS[0], HEIGHTS[1] + 1)
    heights = heights[pixels % heights == 0]
    shapes = [(int(height), pixels // int(height)) for height in heights]
    plausible = [
        (height, width)
        for height, width in shapes
        if WIDTHS[0] <= width <= WIDTHS[1] and _SHAPES[0] <= height / width <= _SHAPES[1]
    ]
    return min(plausible, key=lambda shape: abs(shape[0] - _USUAL_SHAPE * shape[1]), default=None)


@functools.cache
def _block() -> bytes:
    """Returns little-endian pixels of 16 bits: a brightness that rises and falls once, and noise."""
    count = BLOCK_BYTES // 2
    noise = np.random.PCG64(_SEED).random_raw(count // 4).astype("<u8").view("<u2") >> 4
    brightness = np.abs(2 * np.arange(count) - count) * 40_000 // count
    return (8_000 + brightness + noise).astype("<u2").tobytes()


@functools.cache
def _value_range() -> tuple[int, int]:
    """Returns the smallest and the largest pixel value of every film."""
    values = np.frombuffer(_block(), "<u2")
    return int(values.min()), int(values.max())
