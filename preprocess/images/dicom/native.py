"""Uncompressed DICOM films, read band by band from the file.

Standard: DICOM PS3.5 (2024), 8 (pixel data).
"""

import os
from typing import BinaryIO

import numpy as np

from preprocess.images.dicom.elements import ITEM_TAG, UNDEFINED
from preprocess.images.dicom.header import DicomHeader
from preprocess.images.dicom.meaning import check_meaning
from preprocess.images.dicom.pixel_format import PixelFormat, read_pixel_format
from preprocess.runtime.errors import RejectedFilm

MOST_PADDING = 16 << 20
"""Bytes that may follow the pixels: a writer pads to a sector or to a buffer of a fixed size."""


def open_native(stream: BinaryIO, size: int, header: DicomHeader) -> "NativeFilm":
    """Opens an uncompressed film.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: not a grayscale film of up to 16 bits, pixel data of another length than the header specifies, or
            compressed pixel data.
    """
    pixel_format = read_pixel_format(header.attributes)
    check_meaning(header.attributes, pixel_format)
    if header.length == UNDEFINED:
        raise _without_length(stream.read(len(ITEM_TAG)) == ITEM_TAG, header, pixel_format)
    pixel_format.check_length(size - header.offset, pixel_format.bytes)
    if header.length < pixel_format.bytes:
        raise RejectedFilm(
            "header", f"its pixel data has {header.length:,} bytes; its header specifies {pixel_format.bytes:,}"
        )
    end = header.offset + pixel_format.bytes
    rest = min(header.length - pixel_format.bytes, size - end)
    _check_padding(stream, end, rest, f"its pixel data has {header.length:,} bytes", pixel_format)
    return NativeFilm(stream, pixel_format, header.offset, header.has_swapped_words)


def _without_length(is_encapsulated: bool, header: DicomHeader, pixel_format: PixelFormat) -> RejectedFilm:
    if not is_encapsulated:
        return RejectedFilm(
            "header", f"its pixel data has no length; its header specifies {pixel_format.bytes:,} bytes"
        )
    transfer_syntax = (
        "its transfer syntax is an uncompressed one" if header.syntax else "it contains no transfer syntax"
    )
    return RejectedFilm(
        "header",
        f"its pixel data are compressed (encapsulated), but {transfer_syntax}; write the file anew with its own one",
    )


def _check_padding(stream: BinaryIO, start: int, length: int, found: str, pixel_format: PixelFormat) -> None:
    """Checks that the bytes after the pixels are padding, which readers must accept (PS3.5, 8.1.1).

    Padding is one repeated byte. Other bytes can be pixels: of an image that is larger than the header says, or of
    further frames.

    Args:
        start, length: of the bytes after the pixels.
        found: beginning of the message.

    Raises:
        RejectedFilm: they are not, or are more than `MOST_PADDING`.
    """
    if length <= 1:
        return
    found += f"; its header specifies {pixel_format.bytes:,}"
    if length > MOST_PADDING:
        raise RejectedFilm("header", f"{found} and at most {MOST_PADDING >> 20} MiB of padding are expected")
    position = stream.tell()
    stream.seek(start, os.SEEK_SET)
    padding = stream.read(length)
    stream.seek(position)
    if padding.count(padding[:1]) != len(padding):
        raise RejectedFilm("header", f"{found}, and the rest is not padding (one repeated byte)")


class NativeFilm:
    """An uncompressed film, see `pixels.FilmImage`.

    Each band is read into the same memory: allocating new memory for each band takes longer than reading the file.
    """

    is_native = True

    def __init__(self, stream: BinaryIO, pixel_format: PixelFormat, offset: int, has_swapped_words: bool):
        self._stream, self._format, self._offset = stream, pixel_format, offset
        self._has_swapped_words = has_swapped_words
        self.height, self.width = pixel_format.height, pixel_format.width
        self._band: np.ndarray | None = None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        if self._band is None or len(self._band) < stop - start:
            self._band = np.empty((stop - start, self.width), self._format.dtype)
        rows = self._band[: stop - start]
        row_bytes = self.width * self._format.dtype.itemsize
        try:
            if self._has_swapped_words:
                bytes_read = self._read_swapped(rows, start * row_bytes)
            else:
                self._stream.seek(self._offset + start * row_bytes)
                bytes_read = self._stream.readinto(rows.data.cast("B"))  # type: ignore[attr-defined]
        except OSError as error:
            raise RejectedFilm("pixels", f"the file cannot be read: {error.strerror or error}") from error
        if bytes_read != rows.nbytes:
            row = start + bytes_read // row_bytes
            raise RejectedFilm("pixels", f"the file ended within row {row} of {self.height}")
        return self._format.pixels(rows)

    def _read_swapped(self, rows: np.ndarray, first: int) -> int:
        """Reads rows of big-endian words. Two samples of 8 bits are a word, which can be in two rows.

        Args:
            rows: is overwritten.
            first: position of the first sample in the pixel data, in bytes.

        Returns:
            The number of bytes that were read.
        """
        before = first % 2
        self._stream.seek(self._offset + first - before)
        data = self._stream.read((before + rows.nbytes + 1) // 2 * 2)
        swapped = np.frombuffer(data, "u2", len(data) // 2).byteswap().view(np.uint8)
        found = swapped[before : before + rows.nbytes]
        rows.reshape(-1).view(np.uint8)[: len(found)] = found
        return len(found)
