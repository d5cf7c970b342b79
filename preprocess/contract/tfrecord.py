"""Writes and reads the frames of a TFRecord file: length, masked CRC of the length, data, masked CRC of the data.

Format: tensorflow/core/lib/io/record_writer.h. Concatenated TFRecord files are a TFRecord file.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c


class CorruptRecord(Exception):
    """A TFRecord file is truncated or damaged; the message gives the number of the record, counted from 0."""


def frame(data: bytes) -> bytes:
    """Returns the bytes to append to a TFRecord file for one record."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def read_records(stream: BinaryIO) -> Iterator[bytes]:
    """Yields the data of each record in a TFRecord file.

    Raises:
        CorruptRecord: a checksum is wrong or the file ends within a record.
    """
    number = 0
    while head := stream.read(12):
        if len(head) < 12 or _masked_crc(head[:8]) != head[8:]:
            raise CorruptRecord(f"record {number}: its length is damaged")
        (length,) = struct.unpack("<Q", head[:8])
        data, crc = stream.read(length), stream.read(4)
        if len(data) < length or len(crc) < 4:
            raise CorruptRecord(f"record {number}: the file ends within it")
        if _masked_crc(data) != crc:
            raise CorruptRecord(f"record {number}: its checksum is wrong")
        yield data
        number += 1


def _masked_crc(data: bytes) -> bytes:
    """Returns the CRC32C of the data, rotated and offset as the format requires, as 4 little-endian bytes."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
