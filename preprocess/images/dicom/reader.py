"""Opens a DICOM file and chooses the reader for its pixel data, uncompressed or compressed."""

from typing import TYPE_CHECKING, BinaryIO

from preprocess.images.dicom.header import EXPLICIT, IMPLICIT, read_header
from preprocess.images.dicom.native import NativeFilm, open_native

if TYPE_CHECKING:
    from preprocess.images.dicom.encapsulated import EncapsulatedFilm


def open_dicom(stream: BinaryIO, size: int, start: int) -> "NativeFilm | EncapsulatedFilm":
    """Reads a DICOM header up to the pixel data.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.
        start: position of its first element, see `start.find_start`.

    Raises:
        RejectedFilm: not a grayscale film of up to 16 bits that this project can read, or a file that is too short.
    """
    header = read_header(stream, size, start)
    if header.syntax in (EXPLICIT, IMPLICIT, None):
        return open_native(stream, size, header)
    from preprocess.images.dicom.encapsulated import open_encapsulated  # imports pydicom, which is slow

    return open_encapsulated(stream, size, header)
