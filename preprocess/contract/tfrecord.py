"""Writes and reads the frames of a TFRecord file: length, masked CRC of the length, data, masked CRC of the data.

Format: tensorflow/core/lib/io/record_writer.h. Concatenated TFRecord files are a TFRecord file.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

from preprocess.contract.compression import can_decompress, compression_of, decompress

_HEAD = 12  # bytes of the length and its checksum


class CorruptRecord(Exception):
    """A TFRecord file is truncated or damaged; the message gives the number of the record, counted from 0."""


class CompressedFile(ValueError):
    """A file is compressed in a format that TensorFlow does not write."""


def frame(data: bytes) -> bytes:
    """Returns the bytes to append to a TFRecord file for one record."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def read_records(stream: BinaryIO) -> Iterator[bytes]:
    """Yields the data of each record in a TFRecord file, which may be compressed (GZIP or ZLIB).

    Raises:
        CorruptRecord: a checksum is wrong, or the file ends within a record or is not correctly compressed.
        CompressedFile: it is compressed in another format.
    """
    number = 0
    stream = _uncompressed(stream)
    while head := stream.read(_HEAD):
        if not _is_head(head):
            raise CorruptRecord(f"record {number}: its length is damaged")
        (length,) = struct.unpack("<Q", head[:8])
        data, crc = stream.read(length), stream.read(4)
        if len(data) < length or len(crc) < 4:
            raise CorruptRecord(f"record {number}: the file ends within it")
        if _masked_crc(data) != crc:
            raise CorruptRecord(f"record {number}: its checksum is wrong")
        yield data
        number += 1


def _uncompressed(stream: BinaryIO) -> BinaryIO:
    """Returns the stream from its start, decompressed if it is compressed.

    The checksum of the first length is checked first: the length of an uncompressed record may begin with the same
    bytes as a compressed file.
    """
    head = stream.read(_HEAD)
    compression = None if _is_head(head) else compression_of(head)
    if compression is None:
        stream.seek(-len(head), io.SEEK_CUR)
        return stream
    if not can_decompress(compression):
        raise CompressedFile(f"is compressed ({compression}); unpack it, or write it without compression")
    try:
        return io.BytesIO(decompress(head + stream.read(), compression))
    except ValueError as error:
        raise CorruptRecord(f"begins like a file with compression_type {compression}, but {error}") from error


def _is_head(head: bytes) -> bool:
    return len(head) == _HEAD and _masked_crc(head[:8]) == head[8:]


def _masked_crc(data: bytes) -> bytes:
    """Returns the CRC32C of the data, rotated and offset as the format requires, as 4 little-endian bytes."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
