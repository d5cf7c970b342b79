"""(H, W) uint16 pixels <-> 16-bit grayscale PNG."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, UnidentifiedImageError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STORED_BLOCK = 65535  # bytes; RFC 1951, 3.2.4
_MAX_PIXELS = 100_000_000


def encode_png(pixels: np.ndarray) -> bytes:
    """Encodes (H, W) uint16 pixels as a 16-bit grayscale PNG, with the same bytes on every machine.

    The pixels are stored uncompressed. The output of deflate depends on its implementation (zlib, zlib-ng) and, with
    zlib-ng, on the CPU; compression would save about 8 of 24 KB.
    """
    height, width = pixels.shape
    rows = np.zeros((height, 1 + 2 * width), np.uint8)  # each row begins with its filter type, 0: none
    rows[:, 1:] = np.ascontiguousarray(pixels, ">u2").view(np.uint8)
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    return b"".join(
        (_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", _zlib_stored(rows.tobytes())), _chunk(b"IEND", b""))
    )


def decode_png(data: bytes) -> np.ndarray:
    """Decodes a 16-bit grayscale PNG to (H, W) uint16.

    Raises:
        ValueError: not a PNG, damaged, or of another mode; the message is one line.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode != "I;16":
                raise ValueError(f"a PNG of mode {image.mode}; expected 16-bit gray (I;16)")
            if image.width * image.height > _MAX_PIXELS:  # Pillow's own limit may be disabled in this process
                raise ValueError(
                    f"Image size ({image.width * image.height} pixels) exceeds limit of {_MAX_PIXELS} pixels"
                )
            return np.asarray(image, np.uint16)
    except UnidentifiedImageError as error:
        raise ValueError("not a PNG; expected a 16-bit gray PNG") from error
    except (OSError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        # every exception that Pillow's PNG reader raises
        message = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{message}; expected a 16-bit gray PNG") from error


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Returns a PNG chunk (PNG specification, 5.3)."""
    return b"".join((struct.pack(">I", len(content)), kind, content, struct.pack(">I", zlib.crc32(kind + content))))


def _zlib_stored(data: bytes) -> bytes:
    """Returns a zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4)."""
    parts = [b"\x78\x01"]
    for start in range(0, len(data), _STORED_BLOCK):
        block = data[start : start + _STORED_BLOCK]
        final = start + _STORED_BLOCK >= len(data)
        parts += (struct.pack("<BHH", final, len(block), len(block) ^ 0xFFFF), block)
    return b"".join((*parts, struct.pack(">I", zlib.adler32(data))))
