"""File bytes -> a film's header and pixels, whichever of the formats the file is in."""

import os
from typing import BinaryIO

from preprocess import dicom, raster, schema
from preprocess.errors import RejectedFilm
from preprocess.pixels import FilmImage


def open_film(stream: BinaryIO) -> FilmImage:
    """Reads the header of a film and checks that the file can hold what the header promises.

    The format is told by the content, never by the name: DICOM, PNG, TIFF or JPEG.

    Args:
        stream: an open, seekable file; it must stay open while rows are read.

    Raises:
        RejectedFilm: no such format, a header that is broken or of an image that is no film, or a file that is too
            short for its header.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    magic = stream.read(132)
    stream.seek(0)
    film: FilmImage
    if magic[128:] == b"DICM":
        film = dicom.open_dicom(stream, size)
    elif magic.startswith((b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"\xff\xd8\xff")):
        film = raster.open_raster(stream, size)
    elif size == 0:
        raise RejectedFilm("header", "the file is empty")
    else:
        raise RejectedFilm("header", "not a DICOM, PNG, TIFF or JPEG file")
    if max(film.height, film.width) > schema.LONGEST_SIDE:
        raise RejectedFilm(
            "header", f"{film.height} x {film.width} pixels; expected at most {schema.LONGEST_SIDE} a side"
        )
    return film
