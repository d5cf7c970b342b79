"""Recognizes the format of a film file (DICOM, PNG, TIFF or JPEG) and opens it."""

import os
from typing import BinaryIO

from preprocess.contract import schema
from preprocess.images import raster
from preprocess.images.dicom.reader import open_dicom
from preprocess.images.dicom.start import MAGIC_BYTES, find_start, has_prefix
from preprocess.images.pixels import MAX_PIXELS, FilmImage
from preprocess.runtime.errors import RejectedFilm

PNG, TIFF, JPEG = "PNG", "TIFF", "JPEG"
_RASTER = {
    b"\x89PNG\r\n\x1a\n": PNG, b"II*\0": TIFF, b"MM\0*": TIFF, b"II+\0": TIFF, b"MM\0+": TIFF, b"\xff\xd8\xff": JPEG,
}  # fmt: skip
"""First bytes of a file -> format; BigTIFF has `+`."""


def raster_format(magic: bytes) -> str | None:
    """Returns the format of a PNG, TIFF or JPEG file by its first `MAGIC_BYTES` bytes; None for other files.

    A DICOM file may begin like one of these, in its preamble.
    """
    if has_prefix(magic):
        return None
    return next((name for start, name in _RASTER.items() if magic.startswith(start)), None)


def open_film(stream: BinaryIO, max_pixels: int = MAX_PIXELS) -> FilmImage:
    """Reads the header of a film and checks that the file is long enough for it. Nothing is decoded.

    The format is recognized by the content, not by the file name.

    Args:
        stream: an open, seekable file; it must stay open while rows are read.
        max_pixels: the largest number of pixels that a film may have.

    Raises:
        RejectedFilm: the format is another one, the header is broken, the file is not a single grayscale image, or the
            file is too short for its header.
    """
    try:
        film = _open_by_content(stream)
    except OSError as error:
        raise RejectedFilm("header", f"the file cannot be read: {error.strerror or type(error).__name__}") from error
    if max(film.height, film.width) > schema.MAX_SIDE:
        raise RejectedFilm(
            "header", f"{film.height} x {film.width} pixels; expected at most {schema.MAX_SIDE} on each side"
        )
    if film.height * film.width > max_pixels:
        raise RejectedFilm(
            "header",
            f"{film.height} x {film.width} pixels are more than --max_pixels {max_pixels:,}; "
            f"raise it if this is a film",
        )
    return film


def _open_by_content(stream: BinaryIO) -> FilmImage:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    magic = stream.read(MAGIC_BYTES)
    stream.seek(0)
    if raster_format(magic):
        return raster.open_raster(stream, size)
    start = find_start(magic)
    if start is not None:
        return open_dicom(stream, size, start)
    if size == 0:
        raise RejectedFilm("header", "the file is empty")
    raise RejectedFilm("header", "not a DICOM, PNG, TIFF or JPEG file")
