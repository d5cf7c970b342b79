"""DICOM films; the uncompressed ones are read here, band by band, straight from the file.

Standard: DICOM PS3.5 (2024), 8 (pixel data).
"""

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from preprocess.dicom_header import EXPLICIT, IMPLICIT, UNDEFINED, read_header
from preprocess.dicom_layout import Layout, read_layout
from preprocess.errors import RejectedFilm

if TYPE_CHECKING:
    from preprocess.dicom_encapsulated import EncapsulatedFilm


def open_dicom(stream: BinaryIO, size: int) -> "NativeFilm | EncapsulatedFilm":
    """Reads a DICOM header up to the pixel data.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: not a 16-bit range grayscale film this project can read, or a file too short for its header.
    """
    header = read_header(stream)
    if header.syntax not in (EXPLICIT, IMPLICIT):
        from preprocess.dicom_encapsulated import open_encapsulated  # pydicom is slow to import, and rarely asked

        return open_encapsulated(stream, size, header)
    layout = read_layout(header.said)
    layout.check_held(size - header.offset, layout.bytes)
    if header.length not in (layout.bytes, layout.bytes + layout.bytes % 2):
        length = "no length" if header.length == UNDEFINED else f"{header.length:,} bytes"
        raise RejectedFilm("header", f"its pixel data has {length}; its header promises {layout.bytes:,}")
    return NativeFilm(stream, layout, header.offset)


class NativeFilm:
    """An uncompressed film. Only the rows that are asked for are read, each band into the memory of the last one:
    asking the system for fresh memory band by band would take longer than reading the file.
    """

    def __init__(self, stream: BinaryIO, layout: Layout, offset: int):
        self._stream, self._layout, self._offset = stream, layout, offset
        self.height, self.width = layout.height, layout.width
        self._band: np.ndarray | None = None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        if self._band is None or len(self._band) < stop - start:
            self._band = np.empty((stop - start, self.width), self._layout.dtype)
        rows = self._band[: stop - start]
        row_bytes = self.width * self._layout.dtype.itemsize
        try:
            self._stream.seek(self._offset + start * row_bytes)
            got = self._stream.readinto(rows.data.cast("B"))  # type: ignore[attr-defined]
        except OSError as error:
            raise RejectedFilm("pixels", f"the file cannot be read: {error.strerror or error}") from error
        if got != rows.nbytes:
            raise RejectedFilm("pixels", f"the file ended within row {start + got // row_bytes} of {self.height}")
        return self._layout.pixels(rows)
