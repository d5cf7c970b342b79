"""Reads from a DICOM header whether a mammogram was acquired digitally or is a scanned film.

Standard: DICOM PS3.4 (2024), B.5 (storage SOP classes), PS3.3, C.12.1 (SOP Common).
"""

from typing import BinaryIO

from preprocess.images.dicom.elements import UNDEFINED, ElementReader
from preprocess.images.dicom.start import (
    BIG_ENDIAN,
    DEFLATED_SYNTAX,
    IMPLICIT_VR,
    MAGIC_BYTES,
    data_set_encoding,
    find_start,
)

_DIGITAL = (
    "1.2.840.10008.5.1.4.1.1.1.2",  # Digital Mammography X-Ray Image Storage - For Presentation
    "1.2.840.10008.5.1.4.1.1.1.2.1",  # … - For Processing
    "1.2.840.10008.5.1.4.1.1.13.1.3",  # Breast Tomosynthesis Image Storage
)
_SOP_CLASS = 0x00080016
_SOP_CLASS_GROUP = 0x0008


def is_digital_mammogram(stream: BinaryIO, size: int) -> bool:
    """Whether the SOP class of a file is one of digital mammography.

    Files of other formats and deflated DICOM files have no SOP class that is read here.

    Args:
        stream: a seekable file that `open_film` accepts.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: the header is incomplete or invalid.
    """
    stream.seek(0)
    start = find_start(stream.read(MAGIC_BYTES))
    if start is None:
        return False
    stream.seek(start)
    syntax = ElementReader(stream, size).read_transfer_syntax()
    if syntax == DEFLATED_SYNTAX:
        return False
    position = stream.tell()
    encoding = data_set_encoding(stream.read(8), syntax)
    stream.seek(position)
    elements = ElementReader(stream, size, encoding == BIG_ENDIAN)
    while not elements.is_at_end():
        tag, vr, length = elements.next_element(encoding == IMPLICIT_VR)
        if tag == _SOP_CLASS:
            return elements.text(length) in _DIGITAL
        if tag >> 16 > _SOP_CLASS_GROUP:
            return False
        if length == UNDEFINED:
            elements.skip_items(encoding == IMPLICIT_VR or vr == b"UN")
        else:
            elements.skip(length)
    return False
