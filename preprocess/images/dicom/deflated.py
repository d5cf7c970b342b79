"""Deflated DICOM films: everything after the file meta information is compressed with deflate.

Standard: DICOM PS3.5 (2024), A.5. The header is inflated in the worker, up to a limit; the pixels are inflated in a
decoder process, up to the size that the header gives.
"""

import io
import zlib
from typing import BinaryIO

import numpy as np

from preprocess.images.dicom.elements import UNDEFINED
from preprocess.images.dicom.header import DicomHeader, read_header
from preprocess.images.dicom.meaning import check_meaning
from preprocess.images.dicom.native import MOST_PADDING, NativeFilm, open_native
from preprocess.images.dicom.pixel_format import read_pixel_format
from preprocess.images.dicom.start import DEFLATED_SYNTAX, check_is_deflated
from preprocess.runtime.errors import RejectedFilm

_HEADER_BYTES = 8 << 20
_BLOCK = 1 << 20
_LARGEST_RATIO = 1032  # deflate can code 258 bytes in 2 bits


def open_deflated(stream: BinaryIO, size: int) -> "DeflatedFilm":
    """Opens a deflated film.

    Args:
        stream: a seekable file, positioned after the file meta information.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: see `reader.open_dicom`.
    """
    start = stream.tell()
    check_is_deflated(stream.read(8))
    beginning, is_whole = _inflate(stream, start, _HEADER_BYTES, "header")
    header = read_header(_Beginning(beginning, is_whole), len(beginning) if is_whole else -1, DEFLATED_SYNTAX)
    pixel_format = read_pixel_format(header.attributes)
    check_meaning(header.attributes, pixel_format)
    if header.length == UNDEFINED:
        raise RejectedFilm("header", "its transfer syntax is a deflated one, but its pixel data has no length")
    pixel_format.check_length(size - start, -(-pixel_format.bytes // _LARGEST_RATIO))
    most = header.offset + min(header.length, pixel_format.bytes + MOST_PADDING + 1)
    return DeflatedFilm(stream, start, most, header, pixel_format.height, pixel_format.width)


class _Beginning(io.BytesIO):
    """The inflated beginning of a data set."""

    def __init__(self, data: bytes, is_whole: bool):
        super().__init__(data)
        self._is_whole = is_whole

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size is not None and len(data) < size and not self._is_whole:
            raise RejectedFilm("header", f"its deflated header is longer than {_HEADER_BYTES >> 20} MiB")
        return data


class DeflatedFilm:
    """A deflated film, see `pixels.FilmImage`. The first call of `read_rows` inflates the whole film.

    Args:
        start: position of the deflated data set.
        most: the largest number of bytes that are inflated.
    """

    is_native = False

    def __init__(self, stream: BinaryIO, start: int, most: int, header: DicomHeader, height: int, width: int):
        self._stream, self._start, self._most, self._header = stream, start, most, header
        self.height, self.width = height, width
        self._film: NativeFilm | None = None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        self._film = self._film or self._inflated()
        return self._film.read_rows(start, stop)

    def _inflated(self) -> NativeFilm:
        data, _ = _inflate(self._stream, self._start, self._most, "pixels")
        try:
            return open_native(io.BytesIO(data), len(data), self._header)
        except RejectedFilm as rejected:
            raise RejectedFilm("pixels", rejected.reason) from rejected


def _inflate(stream: BinaryIO, start: int, most: int, stage: str) -> tuple[bytes, bool]:
    """Inflates the first `most` bytes of a data set.

    Args:
        start: position of the deflated data set.
        stage: at which a damaged film is rejected.

    Returns:
        The bytes, and whether these are all.

    Raises:
        RejectedFilm: the data set is damaged, or the file ends before.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    stream.seek(start)
    parts: list[bytes] = []
    try:
        while most > 0 and not inflater.eof:
            block = inflater.unconsumed_tail or stream.read(_BLOCK)
            parts.append(inflater.decompress(block, min(most, _BLOCK)))
            most -= len(parts[-1])
            if not block and not parts[-1]:
                raise RejectedFilm(stage, "its deflated data set is truncated")
    except zlib.error as error:
        raise RejectedFilm(stage, "its deflated data set is damaged, or not deflated") from error
    return b"".join(parts), inflater.eof
