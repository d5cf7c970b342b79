"""Finds the first element of a DICOM file, and how the elements of its data set are encoded.

Standard: DICOM PS3.10 (2024), 7.1 (preamble, prefix, file meta information), PS3.5, 7.1.

Some programs write a data set without the preamble, the prefix or the file meta information, or give a transfer syntax
that the data set does not have. The first element of the data set shows whether its elements have VRs.
"""

from preprocess.runtime.errors import RejectedFilm

IMPLICIT_VR, EXPLICIT_VR, BIG_ENDIAN = "implicit VR", "explicit VR", "big endian"

MAGIC_BYTES = 140
"""The number of bytes at the beginning of a file that `find_start` needs."""

_PREAMBLE, _PREFIX = 128, b"DICM"
_META_GROUP, _FIRST_GROUP = b"\x02\0", b"\x08\0"
_GROUPS = (_META_GROUP, _FIRST_GROUP, b"\x10\0", b"\x18\0", b"\x20\0", b"\x28\0")  # those of an image's header
_LONGEST_FIRST_VALUE = 1024  # bytes; the first element of a data set is a number, a character set or a UID
IMPLICIT_SYNTAX, EXPLICIT_SYNTAX = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED_SYNTAX, BIG_ENDIAN_SYNTAX = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
"""The transfer syntaxes of uncompressed pixel data; PS3.6, A."""


def has_prefix(magic: bytes) -> bool:
    """Whether a file begins with a preamble and the DICOM prefix.

    Args:
        magic: the first `MAGIC_BYTES` bytes of the file.
    """
    return magic[_PREAMBLE:].startswith(_PREFIX)


def find_start(magic: bytes) -> int | None:
    """Returns the position of the first element of a DICOM file: after its prefix, or where the prefix is missing.

    Args:
        magic: the first `MAGIC_BYTES` bytes of a file of no other format, unless it has the prefix.

    Returns:
        None if it is not a DICOM file.
    """
    if has_prefix(magic):
        return _PREAMBLE + len(_PREFIX)
    if magic.startswith(_PREFIX):
        return len(_PREFIX)
    if _is_first_element(magic[:8]):
        return 0
    return _PREAMBLE if magic[_PREAMBLE:].startswith(_META_GROUP) and has_vr(magic[_PREAMBLE:]) else None


def _is_first_element(head: bytes) -> bool:
    """Whether eight bytes are the beginning of the first element of a file without prefix, in little or big endian."""
    if len(head) < 8:
        return False
    group, number = head[:2], int.from_bytes(head[2:4], "little")
    if has_vr(head):
        return group in _GROUPS or group[::-1] in _GROUPS
    return group == _FIRST_GROUP and number < 0x100 and int.from_bytes(head[4:], "little") <= _LONGEST_FIRST_VALUE


def data_set_encoding(head: bytes, syntax: str | None) -> str:
    """Returns the encoding that the first element of a data set has.

    Args:
        head: the first eight bytes of the data set.
        syntax: the transfer syntax UID; None if the file does not contain one.

    Raises:
        RejectedFilm: by the transfer syntax, the data set has another byte order; or it is big endian without VRs,
            which DICOM does not define.
    """
    is_big_endian = head[:1] == b"\0" and head[1:2] != b"\0"
    if syntax == BIG_ENDIAN_SYNTAX and not is_big_endian:
        raise _not_fitting("big endian", "little endian")
    if is_big_endian and syntax not in (None, BIG_ENDIAN_SYNTAX):
        raise _not_fitting("little endian", "big endian")
    if is_big_endian and not has_vr(head):
        raise RejectedFilm(
            "header", "its data set is big endian and has no VRs; convert the file to Explicit VR Little Endian"
        )
    if is_big_endian:
        return BIG_ENDIAN
    return EXPLICIT_VR if has_vr(head) else IMPLICIT_VR


def check_is_deflated(head: bytes) -> None:
    """Checks that a data set that is deflated by its transfer syntax does not begin with an element.

    Args:
        head: the first eight bytes after the file meta information.

    Raises:
        RejectedFilm: it does.
    """
    if _is_first_element(head):
        raise _not_fitting("deflated", "not deflated")


def _not_fitting(expected: str, found: str) -> RejectedFilm:
    return RejectedFilm(
        "header",
        f"by its transfer syntax, its data set is {expected}, but it is {found}; "
        "write the file anew with the transfer syntax that it has",
    )


def has_vr(head: bytes) -> bool:
    """Whether an element has a VR, two capital letters.

    In an element without one, the length of its value is at the same place. A length that reads like a VR is at least
    16,705, too long for a first element.
    """
    return len(head) >= 6 and all(0x41 <= letter <= 0x5A for letter in head[4:6])
