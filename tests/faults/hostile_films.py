"""Films that are made to crash, block or mislead their reader, and the expected result for each.

Films with which a mutation or a fuzzer finds an error are added here, as small as possible.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from tests.faults.good_films import HEIGHT, WIDTH, encapsulated, image, samples, saved
from tests.preprocess.images import files
from tests.support.films import write_dicom


@dataclass(frozen=True)
class Hostile:
    """A hostile film.

    Attributes:
        make: function (folder for temporary files) -> the file's bytes.
        outcome: part of the expected "<stage>: <reason>" of its rejection; empty if it must be read.
        pixels: returns the pixels that must be read, (H, W) uint16.
    """

    make: Callable[[Path], bytes]
    outcome: str = ""
    pixels: Callable[[], np.ndarray] = samples


def write_hostile_film(name, folder):
    path = folder / "film"
    path.write_bytes(HOSTILE[name].make(folder))
    return path


def plain(folder, **header):
    return write_dicom(folder / "x.dcm", samples(), **header).read_bytes()


def with_elements(folder, elements):
    """Returns a plain film with `elements` before the elements that give its size."""
    data = plain(folder)
    at = data.index(b"\x08\x00\x16\x00UI")
    return data[:at] + elements + data[at:]


def without_items(data):
    """Replaces the tags of items by another tag."""
    return data.replace(b"\xfe\xff\x00\xe0", b"\xfe\xff\x01\xe0")


def with_fragment_length(data, length):
    """Replaces the length of the last item."""
    at = data.rindex(b"\xfe\xff\x00\xe0") + 4
    return data[:at] + struct.pack("<I", length) + data[at + 4 :]


def with_table_length(data, length):
    """Replaces the length of the first item, the offset table."""
    at = data.index(b"\xfe\xff\x00\xe0") + 4
    return data[:at] + struct.pack("<I", length) + data[at + 4 :]


def sevens():
    return np.full((HEIGHT, WIDTH), 0x0707, np.uint16)


SEQUENCE = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, 0xFFFFFFFF)
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
ENDS = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)


def deflated_bomb(folder):
    """Returns a deflated DICOM file of 4 MB that decompresses to 4 GiB of zeros."""
    data = plain(folder)
    data = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99\0\0")
    at = data.index(b"1.2.840.10008.1.2.1.99\0\0")
    data = data[: at - 2] + struct.pack("<H", 24) + data[at:]
    return data[: data.index(b"\x08\x00\x16\x00UI")] + deflated_zeros(4096)


def deflated_rest(folder):
    """Returns a deflated film that is followed by 4 GiB of zeros."""
    data = files.PREAMBLE + files.meta(files.DEFLATED)
    film = files.data_set((HEIGHT, WIDTH), samples().astype("<u2").tobytes())
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return data + deflate.compress(film) + deflate.flush(zlib.Z_FULL_FLUSH) + deflated_zeros(4096)


def deflated_zeros(mebibytes):
    """Returns deflated zeros quickly: one compressed mebibyte, repeated."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflate.compress(bytes(1 << 20))
    deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return block * mebibytes + deflate.flush()


def zlib_zeros(mebibytes):
    """Returns `deflated_zeros` as a zlib stream, with header and Adler-32."""
    return b"\x78\xda" + deflated_zeros(mebibytes) + struct.pack(">HH", (mebibytes << 20) % 65521, 1)


def rle(folder, count, offsets, segments):
    """Returns a film with RLE pixel data: `count` and `offsets` of the RLE header, and the bytes of the segments."""
    header = struct.pack(f"<{1 + len(offsets)}I", count, *offsets).ljust(64, b"\0")
    return encapsulated(folder, [header + segments], RLELossless, dtype=np.uint16)


def jpeg_2000(folder, at, value):
    """Returns a film with other bytes at position `at` of its JPEG 2000 codestream."""
    dataset = pydicom.dcmread(write_dicom(folder / "x.dcm", samples()))
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    start = dataset.PixelData.index(b"\xff\x4f\xff\x51")
    dataset.PixelData = dataset.PixelData[: start + at] + value + dataset.PixelData[start + at + len(value) :]
    dataset["PixelData"].is_undefined_length = True
    return saved(dataset)


def half(folder, end=b""):
    """Returns a film with half of its JPEG 2000 codestream, and `end` after it."""
    dataset = pydicom.dcmread(io.BytesIO(jpeg_2000(folder, 0, b"")))
    (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    return encapsulated(folder, [frame[: len(frame) // 2] + end], JPEG2000Lossless, np.uint16)


def jpeg(folder, height, width):
    """Returns a film whose JPEG codestream gives another size than its DICOM header."""
    data = image(np.uint8, format="JPEG")
    at = data.index(b"\xff\xc0") + 5
    return encapsulated(folder, [data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]], JPEGBaseline8Bit)


def png(chunks, header=(WIDTH, HEIGHT, 16, 0, 0, 0, 0), data=None):
    """Returns a PNG with more chunks between IHDR and IDAT. header: the values of IHDR."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples())
    every = [
        (b"IHDR", struct.pack(">IIBBBBB", *header)), *chunks,
        (b"IDAT", zlib.compress(rows if data is None else data)), (b"IEND", b""),
    ]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in every
    )


def tiff(changes=(), extra=(), after=b"", following=0):
    """Returns a TIFF of one strip. changes: tag -> (type, count, value). extra: more (tag, type, count, value)."""
    data = samples().astype("<u2").tobytes()
    entries = {
        256: (3, 1, WIDTH), 257: (3, 1, HEIGHT), 258: (3, 1, 16), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8),
        277: (3, 1, 1), 278: (3, 1, HEIGHT), 279: (4, 1, len(data)),
    } | dict(changes)  # fmt: skip
    rows = [(tag, *entry) for tag, entry in entries.items()] + list(extra)
    directory = b"".join(struct.pack("<HHII", *row) for row in rows)
    return (
        b"II*\0" + struct.pack("<I", 8 + len(data)) + data
        + struct.pack("<H", len(rows)) + directory + struct.pack("<I", following) + after
    )  # fmt: skip


def tiff_chain(length):
    """Returns a TIFF of 1 + `length` directories."""
    start = len(tiff())
    directory = tiff()[8 + 2 * HEIGHT * WIDTH : -4]
    size = len(directory) + 4
    chain = b"".join(directory + struct.pack("<I", start + size * (n + 1)) for n in range(length - 1))
    return tiff(after=chain + directory + bytes(4), following=start)


def tiff_shared_value(tags, size):
    """Returns a TIFF with `tags` more tags, whose values are all the same `size` bytes."""
    start = len(tiff(extra=[(0, 0, 0, 0)] * tags))
    return tiff(extra=[(40000 + n % 20000, 7, size, start) for n in range(tags)], after=bytes(size))


def small_bomb():
    """Returns a PNG of 100 million pixels in 100 KB."""
    data = io.BytesIO()
    Image.new("L", (10_000, 10_000)).save(data, format="PNG", compress_level=9)
    return data.getvalue()


CUT_JPEG_2000 = "pixels: its JPEG 2000 Image Compression (Lossless Only) pixel data are truncated or have parts missing"
UNREADABLE = "header: the image header cannot be read"
TOO_LONG = "header: the image header is longer than 8 MiB"

HOSTILE = {
    "a deflated DICOM that decompresses to 4 GiB": Hostile(
        deflated_bomb, "header: the DICOM header has more than 100,000 elements"
    ),
    "a deflated DICOM that decompresses to 4 GiB after its pixels": Hostile(deflated_rest),
    "a DICOM of 100,000 nested sequences": Hostile(
        lambda d: with_elements(d, (SEQUENCE + ITEM) * 100_000 + ENDS * 100_000),
        "header: the DICOM header has more than",
    ),
    "a DICOM of 10,000 nested sequences": Hostile(
        lambda d: with_elements(d, (SEQUENCE + ITEM) * 10_000 + ENDS * 10_000)
    ),
    "a DICOM with a sequence that never ends": Hostile(
        lambda d: with_elements(d, SEQUENCE + ITEM), "header: the DICOM file is truncated: it ends within an element"
    ),
    "a DICOM of two million elements": Hostile(
        lambda d: with_elements(d, struct.pack("<HH2sH", 9, 0x1001, b"LO", 0) * 2_000_000),
        "header: the DICOM header has more than 100,000 elements",
    ),
    "a DICOM element of 4 GiB": Hostile(
        lambda d: with_elements(d, struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, 0xFFFFFFFE)),
        "header: the DICOM file is truncated: it ends within an element",
    ),
    "a DICOM whose number of rows is a name": Hostile(
        lambda d: plain(d).replace(struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, HEIGHT), b"\x28\0\x10\0PN\6\0DOE^J."),
        "header: DICOM attribute Rows is not a number; expected 1 to 65535",
    ),
    "a DICOM whose pixel data have an undefined length": Hostile(
        lambda d: plain(d).replace(struct.pack("<I", 2 * HEIGHT * WIDTH), b"\xff" * 4),
        "header: its pixel data has no length; its header specifies 2,720",
    ),
    "JPEG 2000 of 30,000 x 30,000 pixels": Hostile(
        lambda d: jpeg_2000(d, 8, struct.pack(">II", 30_000, 30_000)),
        "header: its compressed pixel data are 30000 x 30000 pixels of 1 channels; its header specifies 40 x 34 of one",
    ),
    "JPEG 2000 of 16,384 channels": Hostile(
        lambda d: jpeg_2000(d, 40, struct.pack(">H", 16_384)),
        "header: its compressed pixel data are 40 x 34 pixels of 16384 ch",
    ),
    "JPEG 2000 in tiles of one pixel": Hostile(
        lambda d: jpeg_2000(d, 24, struct.pack(">II", 1, 1)),
        CUT_JPEG_2000,
    ),
    "half of a JPEG 2000 codestream": Hostile(lambda d: half(d), CUT_JPEG_2000),
    "half of a JPEG 2000 codestream, with an end mark": Hostile(lambda d: half(d, b"\xff\xd9"), CUT_JPEG_2000),
    "JPEG 2000 without its beginning": Hostile(
        lambda d: jpeg_2000(d, 0, b"\0\0"), "header: its compressed pixel data do not begin with an image size"
    ),
    "a JPEG of 65,000 x 65,000 pixels in a small DICOM": Hostile(
        lambda d: jpeg(d, 65_000, 65_000), "header: its compressed pixel data are 65000 x 65000 pixels"
    ),
    "RLE of 15 segments": Hostile(
        lambda d: rle(d, 15, range(64, 79), bytes(999)), "pixels: 15 RLE segments; expected 2"
    ),
    "RLE of 4,294,967,295 segments": Hostile(
        lambda d: rle(d, 2**32 - 1, [64], bytes(99)), "pixels: 4294967295 RLE seg"
    ),
    "RLE whose offsets lie outside": Hostile(
        lambda d: rle(d, 2, [64, 2**32 - 1], bytes(999)), "pixels: its RLE pixel data cannot be decoded"
    ),
    "RLE whose offsets go backwards": Hostile(
        lambda d: rle(d, 2, [500, 64], b"\x81\0" * 450), "pixels: its RLE pixel data cannot be decoded"
    ),
    "RLE with a thousand times the pixels": Hostile(
        lambda d: rle(d, 2, [64, 64 + 64_000], b"\x81\7" * 64_000), pixels=sevens
    ),
    "RLE with runs that cross rows, and too many pixels": Hostile(
        lambda d: rle(d, 2, [64, 64 + 400], (b"\x81\7" * 200) * 2), pixels=sevens
    ),
    "a DICOM whose transfer syntax is a name": Hostile(
        lambda d: plain(d).replace(b"1.2.840.10008.1.2.1\0", b"DOE^JANE 1956-01-01\0"),
        "header: DICOM does not define its transfer syntax; convert the file to Explicit VR Little Endian",
    ),
    "RLE in 20,000 fragments": Hostile(
        lambda d: encapsulated(
            d,
            [struct.pack("<3I", 2, 64, 128).ljust(64, b"\0"), *[b"\x81\7" * 8] * 20_000],
            RLELossless,
            np.uint16,
            has_bot=False,
        ),
        pixels=sevens,
    ),
    "RLE without an item": Hostile(
        lambda d: without_items(encapsulated(d, [bytes(99)], RLELossless, np.uint16)),
        "its compressed pixel data are not a sequence of items with lengths",
    ),
    "RLE in a fragment of 4 GiB": Hostile(
        lambda d: with_fragment_length(rle(d, 2, [64, 64 + 40], b"\x81\7" * 40), 2**32 - 2), pixels=sevens
    ),
    "an offset table of 4 GiB": Hostile(
        lambda d: with_table_length(rle(d, 2, [64, 64 + 40], b"\x81\7" * 40), 2**32 - 2),
        "pixels: its compressed pixel data end within their offset table",
    ),
    "a PNG of 100 million pixels": Hostile(
        lambda _: small_bomb(), "header: 10000 x 10000 pixels are more than --max_pixels 1,000,000; raise it"
    ),
    "a PNG of 4 billion x 4 billion pixels": Hostile(
        lambda _: png([], header=(2**31 - 1, 2**31 - 1, 16, 0, 0, 0, 0)),
        "header: its header specifies 2147483647 x 2147483647",
    ),
    "a PNG of 0 x 0 pixels": Hostile(lambda _: png([], header=(0, 0, 16, 0, 0, 0, 0)), "header: "),
    "a PNG with a thousand times the data": Hostile(
        lambda _: png([], data=b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples()) + bytes(1 << 20))
    ),
    "a PNG with too little data": Hostile(lambda _: png([], data=bytes(80)), "pixels: its PNG data cannot be decoded"),
    "a PNG with a text that decompresses to 1 GiB": Hostile(
        lambda _: png([(b"zTXt", b"key\0\0" + zlib_zeros(1024))]), UNREADABLE
    ),
    "a PNG with a profile that decompresses to 100 MiB": Hostile(
        lambda _: png([(b"iCCP", b"key\0\0" + zlib_zeros(100))]),
        UNREADABLE,
    ),
    "a PNG with a chunk of 10 MB": Hostile(lambda _: png([(b"prVt", bytes(10 << 20))]), TOO_LONG),
    "a PNG with 200,000 chunks": Hostile(lambda _: png([(b"prVt", b"")] * 200_000), TOO_LONG),
    "a TIFF of 20,000 tags that share a megabyte": Hostile(lambda _: tiff_shared_value(20_000, 1 << 20), TOO_LONG),
    "a TIFF of 20,000 directories": Hostile(lambda _: tiff_chain(20_000), TOO_LONG),
    "a TIFF whose directories form a loop": Hostile(lambda _: tiff(following=8 + 2 * HEIGHT * WIDTH)),
    "a TIFF of 4 billion bits a sample": Hostile(
        lambda _: tiff({258: (4, 1, 2**32 - 1)}),
        "header: tag 258 of its TIFF header has a value that is not a number up to 65,535",
    ),
    "a TIFF whose depth is a text": Hostile(lambda _: tiff({258: (2, 4, 0x41414141)}), "header: "),
    "a TIFF whose offsets are a text": Hostile(lambda _: tiff({273: (2, 4, 0x41414141)}), "header: "),
    "a TIFF whose offsets are fractions": Hostile(lambda _: tiff({273: (5, 1, 8)}), "header: "),
    "a TIFF whose byte counts are not numbers": Hostile(
        lambda _: tiff({279: (11, 1, 0x7FC00000)}),
        "header: tag 279 of its TIFF header has a value that is not a number up to 4,294,967,295",
    ),
    "a TIFF whose byte counts are floats": Hostile(
        lambda _: tiff({279: (11, 1, 0x7F7FFFFF)}),
        "header: tag 279 of its TIFF header has a value that is not a number up to 4,294,967,295",
    ),
    "a TIFF whose strip lies beyond its end": Hostile(
        lambda _: tiff({273: (4, 1, 2**31)}), "header: its header specifies image data up to byte 2,147,486,368"
    ),
    "a TIFF of 4 billion rows a strip": Hostile(lambda _: tiff({278: (4, 1, 2**32 - 1)})),
    "a TIFF with JPEG compression, where libtiff fills missing pixels with other memory": Hostile(
        lambda _: image(np.uint8, format="TIFF", compression="jpeg"), "header: its TIFF compression is not supported"
    ),
    "a JPEG that ends in the middle of a segment": Hostile(
        lambda _: image(np.uint8, format="JPEG")[:200] + b"\xff\xd9", "header: "
    ),
    "a JPEG of 20,000 segments": Hostile(
        lambda _: (lambda data: data[:2] + b"\xff\xe5\0\3x" * 20_000 + data[2:])(image(np.uint8, format="JPEG")),
        TOO_LONG,
    ),
}
