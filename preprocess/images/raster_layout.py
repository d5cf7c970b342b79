"""Reads the depth and the channels of a PNG, TIFF or JPEG film from the file's own header.

They are not taken from the mode of Pillow's image: Pillow reduces 16-bit colour to 8 bits, and reads signed samples of
8 bits like unsigned ones. Standards: PNG (ISO/IEC 15948), 11.2.2; TIFF 6.0, sections 4, 6 and 19.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from preprocess.images.dicom.codestream import JPEG, parse_head
from preprocess.runtime.errors import RejectedFilm

HEAD_BYTES = 128 << 10
"""Bytes at the beginning of a JPEG file in which its frame header is expected."""

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_KINDS = {0: "gray", 2: "colour", 3: "palette", 4: "gray and alpha", 6: "colour and alpha"}
_BITS_PER_SAMPLE, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT = 258, 262, 266, 277, 339
_STRIP_OFFSETS = 273
_OFFSETS_AND_COUNTS = ((_STRIP_OFFSETS, 279), (324, 325))  # of strips and of tiles
_UNSIGNED = 1
_SAMPLE_FORMATS = {
    2: "signed integers", 3: "floating-point numbers", 4: "undefined values", 5: "complex integers",
    6: "complex floating-point numbers",
}  # fmt: skip
_GRAY, _COLOUR = 1, 3  # channels
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE = 0, 1, 3
_PHOTOMETRICS = {_GRAY: (_WHITE_IS_ZERO, _BLACK_IS_ZERO), _COLOUR: (2,)}
_LARGEST_OFFSET, _LARGEST_BIG_OFFSET = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_EXPECTED = "give gray of 8 or 16 bits"


def check_png(head: bytes) -> None:
    """Checks the image header of a PNG: gray of 2, 4, 8 or 16 bits, or colour of 8 bits.

    Args:
        head: the first bytes of the file.

    Raises:
        RejectedFilm: another depth or kind. Files without an image header are left to Pillow.
    """
    if not head.startswith(_PNG_MAGIC) or head[12:16] != b"IHDR" or len(head) < 26:
        return
    depth, kind = head[24], head[25]
    if kind in _PNG_KINDS and (kind, depth) not in ((0, 2), (0, 4), (0, 8), (0, 16), (2, 8)):
        raise _unexpected(depth, _PNG_KINDS[kind], "PNG")


def check_jpeg(head: bytes) -> None:
    """Checks the frame header of a JPEG: 8 bits.

    Args:
        head: the first `HEAD_BYTES` bytes of the file.

    Raises:
        RejectedFilm: another depth, or JPEG-LS. Files without a frame header are left to Pillow.
    """
    frame = parse_head(head)
    if frame is None:
        return
    if frame.family != JPEG:
        raise RejectedFilm("header", f"a {frame.family} file; expected JPEG, or give a PNG")
    if frame.precision != 8:
        raise RejectedFilm("header", f"a {frame.precision}-bit JPEG; expected 8 bits, or give a PNG")


def is_big_tiff(magic: bytes) -> bool:
    """Whether a TIFF has offsets of 64 bits.

    Args:
        magic: the first bytes of the file.
    """
    return magic.startswith((b"II+\0", b"MM\0+"))


def check_big_tiff(magic: bytes) -> None:
    """Checks the byte order of a BigTIFF.

    Raises:
        RejectedFilm: it is big endian, which Pillow cannot read.
    """
    if is_big_tiff(magic) and magic.startswith(b"MM"):
        raise RejectedFilm("header", "a big-endian BigTIFF; give a little-endian one or a TIFF")


def check_tiff(tags: Mapping[int, Any], is_big_endian: bool) -> None:
    """Checks the tags of a TIFF: unsigned integers, gray of 8 or 16 bits or colour of 8 bits.

    Args:
        tags: of the first directory.
        is_big_endian: the byte order of the file.

    Raises:
        RejectedFilm: another depth or kind.
    """
    formats = _numbers(tags, _SAMPLE_FORMAT, _UNSIGNED)
    bits = _numbers(tags, _BITS_PER_SAMPLE, 1)
    channels = _numbers(tags, _SAMPLES_PER_PIXEL, 1)[0]
    for number in formats:
        if number != _UNSIGNED:
            what = _SAMPLE_FORMATS.get(number, "an unknown kind of numbers")
            raise RejectedFilm("header", f"a TIFF of {what} (SampleFormat {number}); expected unsigned integers")
    kind = {_GRAY: "gray", _COLOUR: "colour"}.get(channels, f"{channels}-channel")
    kind = "palette" if tags.get(_PHOTOMETRIC) == _PALETTE else kind
    if len(set(bits)) != 1:
        raise RejectedFilm("header", f"a TIFF whose channels have different depths; {_EXPECTED}")
    if (kind, bits[0]) not in (("gray", 8), ("gray", 16), ("colour", 8)):
        raise _unexpected(bits[0], kind, "TIFF")
    photometric = tags.get(_PHOTOMETRIC)
    if photometric not in _PHOTOMETRICS[channels]:
        raise RejectedFilm("header", f"a {kind} TIFF with {_photometric_words(photometric)}; give BlackIsZero")
    fill_order = _numbers(tags, _FILL_ORDER, 1)[0]
    if bits[0] == 16 and fill_order != 1:  # Pillow cannot read these two
        raise RejectedFilm("header", f"a 16-bit TIFF with FillOrder {fill_order}; expected 1")
    if bits[0] == 16 and is_big_endian and photometric == _WHITE_IS_ZERO:
        raise RejectedFilm("header", "a big-endian 16-bit TIFF with WhiteIsZero; give BlackIsZero or little-endian")


def _photometric_words(value: Any) -> str:
    if value is None:
        return "no PhotometricInterpretation"
    return f"PhotometricInterpretation {value if isinstance(value, int) else 'that is not a number'}"


def data_parts(tags: Mapping[int, Any], is_big: bool) -> list[tuple[int, int]]:
    """Returns the offset and the number of bytes of each strip or tile of a TIFF; empty if its tags do not give both.

    Args:
        is_big: whether offsets may have 64 bits.

    Raises:
        RejectedFilm: the tags contain other values than whole numbers.
    """
    largest = _LARGEST_BIG_OFFSET if is_big else _LARGEST_OFFSET
    return [
        part
        for offsets, counts in _OFFSETS_AND_COUNTS
        if offsets in tags and counts in tags
        for part in zip(_numbers(tags, offsets, largest=largest), _numbers(tags, counts, largest=largest), strict=False)
    ]


def check_strips(tags: Mapping[int, Any], parts: Sequence[tuple[int, int]], height: int, pixel_bytes: int) -> None:
    """Checks the number of bytes in the strips or tiles of an uncompressed TIFF.

    A strip may have less than a row of padding. More bytes can be rows that the header does not count, or compressed
    pixels whose compression is not given. Tiles at the edges of an image contain padding.

    Args:
        tags: of the first directory.
        parts: see `data_parts`.
        height: of the image, in rows.
        pixel_bytes: number of bytes of the pixels.

    Raises:
        RejectedFilm: they have fewer bytes, or the strips have more.
    """
    data_bytes = sum(count for _, count in parts)
    if parts and data_bytes < pixel_bytes:
        raise RejectedFilm(
            "header", f"its header specifies {pixel_bytes:,} bytes of pixels in strips of only {data_bytes:,} bytes"
        )
    if _STRIP_OFFSETS in tags and data_bytes >= pixel_bytes + len(parts) * pixel_bytes // height:
        raise RejectedFilm(
            "header",
            f"its header specifies {pixel_bytes:,} bytes of pixels without compression, in strips of {data_bytes:,} "
            f"bytes",
        )


def check_inflated(tags: Mapping[int, Any], inflated: int, pixel_bytes: int) -> None:
    """Checks the number of bytes in the strips of a TIFF with deflate compression.

    Tiles are not checked, because those at the edges of an image contain padding.

    Args:
        tags: of the first directory.
        inflated: number of bytes of all strips without compression.
        pixel_bytes: number of bytes of the pixels.

    Raises:
        RejectedFilm: the numbers differ, so the size in the header is not that of the image.
    """
    if _STRIP_OFFSETS in tags and inflated != pixel_bytes:
        raise RejectedFilm(
            "pixels", f"its header specifies {pixel_bytes:,} bytes of pixels; its strips have {inflated:,} bytes"
        )


def _unexpected(depth: int, kind: str, format_: str) -> RejectedFilm:
    return RejectedFilm("header", f"{'an' if depth == 8 else 'a'} {depth}-bit {kind} {format_}; {_EXPECTED}")


def _numbers(tags: Mapping[int, Any], tag: int, default: int = 0, largest: int = 65535) -> tuple[int, ...]:
    """Returns the values of a tag that should contain whole numbers.

    Raises:
        RejectedFilm: it contains others.
    """
    value = tags.get(tag, default)
    values = value if isinstance(value, tuple) else (value,)
    if not values or not all(isinstance(number, int) and 0 <= number <= largest for number in values):
        raise RejectedFilm("header", f"tag {tag} of its TIFF header has a value that is not a number up to {largest:,}")
    return values
