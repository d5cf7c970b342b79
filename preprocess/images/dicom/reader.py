"""Opens a DICOM file and chooses the reader for its pixel data, uncompressed or compressed."""

from typing import TYPE_CHECKING, BinaryIO

from preprocess.images.dicom.header import EXPLICIT, IMPLICIT, UNDEFINED, read_header
from preprocess.images.dicom.native import NativeFilm
from preprocess.images.dicom.pixel_format import read_pixel_format
from preprocess.runtime.errors import RejectedFilm

if TYPE_CHECKING:
    from preprocess.images.dicom.encapsulated import EncapsulatedFilm


def open_dicom(stream: BinaryIO, size: int) -> "NativeFilm | EncapsulatedFilm":
    """Reads a DICOM header up to the pixel data.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: not a grayscale film of up to 16 bits that this project can read, or a file that is too short.
    """
    header = read_header(stream)
    if header.syntax not in (EXPLICIT, IMPLICIT):
        from preprocess.images.dicom.encapsulated import open_encapsulated  # imports pydicom, which is slow

        return open_encapsulated(stream, size, header)
    pixel_format = read_pixel_format(header.attributes)
    pixel_format.check_length(size - header.offset, pixel_format.bytes)
    if header.length not in (pixel_format.bytes, pixel_format.bytes + pixel_format.bytes % 2):
        length = "no length" if header.length == UNDEFINED else f"{header.length:,} bytes"
        raise RejectedFilm("header", f"its pixel data has {length}; its header specifies {pixel_format.bytes:,}")
    return NativeFilm(stream, pixel_format, header.offset)
