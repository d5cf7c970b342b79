"""Uncompressed DICOM films, read band by band from the file.

Standard: DICOM PS3.5 (2024), 8 (pixel data).
"""

from typing import BinaryIO

import numpy as np

from preprocess.images.dicom.pixel_format import PixelFormat
from preprocess.runtime.errors import RejectedFilm


class NativeFilm:
    """An uncompressed film, see `pixels.FilmImage`.

    Each band is read into the same memory: allocating new memory for each band takes longer than reading the file.
    """

    is_native = True

    def __init__(self, stream: BinaryIO, pixel_format: PixelFormat, offset: int):
        self._stream, self._format, self._offset = stream, pixel_format, offset
        self.height, self.width = pixel_format.height, pixel_format.width
        self._band: np.ndarray | None = None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        if self._band is None or len(self._band) < stop - start:
            self._band = np.empty((stop - start, self.width), self._format.dtype)
        rows = self._band[: stop - start]
        row_bytes = self.width * self._format.dtype.itemsize
        try:
            self._stream.seek(self._offset + start * row_bytes)
            bytes_read = self._stream.readinto(rows.data.cast("B"))  # type: ignore[attr-defined]
        except OSError as error:
            raise RejectedFilm("pixels", f"the file cannot be read: {error.strerror or error}") from error
        if bytes_read != rows.nbytes:
            row = start + bytes_read // row_bytes
            raise RejectedFilm("pixels", f"the file ended within row {row} of {self.height}")
        return self._format.pixels(rows)
