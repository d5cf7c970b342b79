"""Decompresses files that TensorFlow wrote with the compression_type GZIP or ZLIB, and recognizes other formats."""

import zlib

GZIP, ZLIB = "GZIP", "ZLIB"
_WINDOW_BITS = {GZIP: 31, ZLIB: 15}  # as zlib's documentation defines them for the two formats
_FIRST_BYTES = {
    b"\x1f\x8b": GZIP,
    b"\x78\x01": ZLIB,
    b"\x78\x5e": ZLIB,
    b"\x78\x9c": ZLIB,
    b"\x78\xda": ZLIB,
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PK\x03\x04": "ZIP",
}


def compression_of(data: bytes) -> str | None:
    """Returns the compression format of a file, by its first bytes; None for a file of no known format."""
    return next((name for first, name in _FIRST_BYTES.items() if data.startswith(first)), None)


def can_decompress(compression: str) -> bool:
    return compression in _WINDOW_BITS


def decompress(data: bytes, compression: str) -> bytes:
    """Decompresses a file that consists of one or more members, one after the other.

    Raises:
        ValueError: it is truncated or damaged.
    """
    parts = []
    while data:
        member = zlib.decompressobj(_WINDOW_BITS[compression])
        try:
            parts.append(member.decompress(data))
        except zlib.error as error:
            raise ValueError(f"the compressed data is damaged: {error}") from error
        if not member.eof:
            raise ValueError("the file ends within the compressed data")
        data = member.unused_data
    return b"".join(parts)
