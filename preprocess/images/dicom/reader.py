"""Opens a DICOM file and chooses the reader for its pixel data: uncompressed, deflated or compressed."""

from typing import TYPE_CHECKING, BinaryIO

from preprocess.images.dicom.deflated import DeflatedFilm, open_deflated
from preprocess.images.dicom.elements import ElementReader
from preprocess.images.dicom.header import read_header
from preprocess.images.dicom.native import NativeFilm, open_native
from preprocess.images.dicom.start import BIG_ENDIAN_SYNTAX, DEFLATED_SYNTAX, EXPLICIT_SYNTAX, IMPLICIT_SYNTAX

if TYPE_CHECKING:
    from preprocess.images.dicom.encapsulated import EncapsulatedFilm


def open_dicom(stream: BinaryIO, size: int, start: int) -> "NativeFilm | DeflatedFilm | EncapsulatedFilm":
    """Reads a DICOM header up to the pixel data.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.
        start: position of its first element, see `start.find_start`.

    Raises:
        RejectedFilm: not a grayscale film of up to 16 bits that this project can read, or a file that is too short.
    """
    stream.seek(start)
    syntax = ElementReader(stream, size).read_transfer_syntax()
    if syntax == DEFLATED_SYNTAX:
        return open_deflated(stream, size)
    header = read_header(stream, size, syntax)
    if syntax in (EXPLICIT_SYNTAX, IMPLICIT_SYNTAX, BIG_ENDIAN_SYNTAX, None):
        return open_native(stream, size, header)
    from preprocess.images.dicom.encapsulated import open_encapsulated  # imports pydicom, which is slow

    return open_encapsulated(stream, size, header)
