"""Writes DICOM, PNG and TIFF files byte by byte, so that each part can be wrong, and computes the expected pixels.

Nothing here uses the project, pydicom or Pillow.
"""

import struct
import zlib

import numpy as np

EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
JPEG, JPEG_EXTENDED, JPEG_LS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.80"
JPEG_LOSSLESS, JPEG_2000 = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"
END = b"\xff\xd9"
WITHOUT_LENGTH = 0xFFFFFFFF
PREAMBLE = bytes(128) + b"DICM"


def full_range(samples, bits, inverted=False):
    """Returns the expected pixels: samples * 65535 / (2^bits - 1), rounded, halves up, computed with Python's ints."""
    top = 2**bits - 1
    pixels = [[(2 * value * 65535 + top) // (2 * top) for value in row] for row in samples.tolist()]
    return np.array([[65535 - value if inverted else value for value in row] for row in pixels], np.uint16)


def element(tag, vr, value, implicit=False, order="<", length=None):
    """Returns a DICOM element. length: what its length field says, if that is not the length of the value."""
    length = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack(f"{order}I", length) + value
    if vr in ("OB", "OW", "OF", "SQ", "UN"):
        return head + vr.encode() + bytes(2) + struct.pack(f"{order}I", length) + value
    return head + vr.encode() + struct.pack(f"{order}H", length) + value


def meta(syntax, implicit=False):
    """Returns the file meta information, with a group length."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    rest = element(0x00020001, "OB", b"\0\1", implicit) + element(0x00020010, "UI", uid, implicit)
    return element(0x00020000, "UL", struct.pack("<I", len(rest)), implicit) + rest


def data_set(
    shape, pixel_data, implicit=False, order="<", length=None, pixel_tag=0x7FE00010, pixel_vr="OW", more=b"", **header
):
    """Returns the elements of a film from the character set to the pixel data; an element whose value is None is left
    out.

    Args:
        pixel_data: bytes of the value; None to leave the element out.
        length: see `element`; of the pixel data.
        more: elements before the pixel data.
        header: other values, an int or bytes.
    """
    values = {
        "SpecificCharacterSet": (0x00080005, "CS", b"ISO_IR 100"),
        "SOPClassUID": (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
        "PatientName": (0x00100010, "PN", b"DOE^JANE"),
        "SamplesPerPixel": (0x00280002, "US", 1),
        "PhotometricInterpretation": (0x00280004, "CS", b"MONOCHROME2 "),
        "NumberOfFrames": (0x00280008, "IS", None),
        "Rows": (0x00280010, "US", shape[0]),
        "Columns": (0x00280011, "US", shape[1]),
        "BitsAllocated": (0x00280100, "US", 16),
        "BitsStored": (0x00280101, "US", header.get("BitsAllocated", 16)),
        "HighBit": (0x00280102, "US", (header.get("BitsStored") or header.get("BitsAllocated", 16)) - 1),
        "PixelRepresentation": (0x00280103, "US", 0),
        "PixelPaddingValue": (0x00280120, "US", None),
        "PixelPaddingRangeLimit": (0x00280121, "US", None),
        "WindowCenter": (0x00281050, "DS", None),
        "WindowWidth": (0x00281051, "DS", None),
        "RescaleIntercept": (0x00281052, "DS", None),
        "RescaleSlope": (0x00281053, "DS", None),
        "VOILUTFunction": (0x00281056, "CS", None),
        "RedPaletteColorLookupTableDescriptor": (0x00281101, "US", None),
        "ICCProfile": (0x00282000, "OB", None),
        "ModalityLUTSequence": (0x00283000, "SQ", None),
        "VOILUTSequence": (0x00283010, "SQ", None),
        "RealWorldValueMappingSequence": (0x00409096, "SQ", None),
        "PresentationLUTSequence": (0x20500010, "SQ", None),
        "PresentationLUTShape": (0x20500020, "CS", None),
        "SharedFunctionalGroupsSequence": (0x52009229, "SQ", None),
        "PerFrameFunctionalGroupsSequence": (0x52009230, "SQ", None),
    }
    elements = b""
    for name, (tag, vr, default) in values.items():
        value = header.get(name, default)
        if value is not None:
            data = struct.pack(f"{order}H", value) if isinstance(value, int) else value
            elements += element(tag, vr, data, implicit, order)
    if pixel_data is None:
        return elements
    return elements + more + element(pixel_tag, pixel_vr, pixel_data, implicit, order, length)


def dicom(samples, syntax=EXPLICIT, padding=b"", **options):
    """Returns an uncompressed DICOM file. padding: bytes after its pixels. options: of `data_set`."""
    options = {"implicit": syntax == IMPLICIT, "BitsAllocated": 8 * samples.itemsize} | options
    data = samples.astype(f"{options.get('order', '<')}u{samples.itemsize}").tobytes() + padding
    return PREAMBLE + meta(syntax) + data_set(samples.shape, data, **options)


def deflated(samples, rest=b"", **options):
    """Returns a deflated DICOM file. rest: bytes after the deflated data set. options: of `data_set`."""
    options = {"BitsAllocated": 8 * samples.itemsize} | options
    data = data_set(samples.shape, samples.astype(f"<u{samples.itemsize}").tobytes(), **options)
    return PREAMBLE + meta(DEFLATED) + deflate(data) + rest


def deflate(data):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def encapsulated(fragments, syntax, shape, offsets=b"", length=WITHOUT_LENGTH, **header):
    """Returns a compressed DICOM file. fragments: as they are, without padding. offsets: of the offset table."""
    items = [offsets, *fragments]
    data = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    data += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return PREAMBLE + meta(syntax) + data_set(shape, data, length=length, **header)


def rle_frame(samples):
    """Returns a frame of DICOM's RLE, with literal runs only."""
    planes = [(samples >> shift).astype(np.uint8).tobytes() for shift in range(8 * samples.itemsize - 8, -1, -8)]
    segments = []
    for plane in planes:
        runs = [plane[start : start + 128] for start in range(0, len(plane), 128)]
        packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
        segments.append(packed + b"\x80" * (len(packed) % 2))
    offsets = [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets))) + b"".join(segments)


def jpeg_lossless(samples, bits):
    """Returns a lossless JPEG (SOF3): each sample minus the one to the left of it, or above it in the first column.

    ISO/IEC 10918-1, H.1.2 and F.1.2.1: a difference has a code for its number of bits, here of 5 bits, and its bits.
    """
    values = samples.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:], predicted[1:, 0], predicted[0, 0] = values[:, :-1], values[:-1, 0], 1 << (bits - 1)
    stream = ""
    for difference in (values - predicted).ravel().tolist():
        difference = (difference + 32768) % 65536 - 32768  # modulo 2^16, from -32767 to 32768
        difference = 32768 if difference == -32768 else difference
        size = abs(difference).bit_length()
        stream += f"{size:05b}"
        if 0 < size < 16:
            stream += f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}"
    stream += "1" * (-len(stream) % 8)
    coded = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0] + [17 if length == 5 else 0 for length in range(1, 17)] + list(range(17)))
    return (
        b"\xff\xd8" + segment(0xC3, struct.pack(">BHHB3B", bits, *samples.shape, 1, 1, 0x11, 0)) + segment(0xC4, table)
        + segment(0xDA, bytes([1, 1, 0, 1, 0, 0])) + coded + END
    )  # fmt: skip


def frame_header(shape, precision, marker=0xC1, components=1):
    """Returns the beginning of a JPEG or JPEG-LS codestream, and an end mark; it contains no image."""
    start = struct.pack(">HHHBHHB", 0xFFD8, 0xFF00 | marker, 8 + 3 * components, precision, *shape, components)
    return start + b"\1\x11\0" * components + END


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def exif(orientation, order="<"):
    """Returns Exif data: a TIFF directory with the tag Orientation."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + struct.pack(f"{order}HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def xmp(orientation):
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
        % orientation
    )


def segment(marker, body):
    """Returns a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def png(samples, depth, kind=0, before=b"", after=b""):
    """Returns a PNG.

    Args:
        samples: (H, W), or (H, W, channels) for other kinds than gray.
        depth: bits of a sample.
        before, after: chunks before and after the image data.
    """
    height, width, *_ = samples.shape
    lines = []
    for line in samples.reshape(height, -1).tolist():
        bits = "".join(f"{value:0{depth}b}" for value in line)
        lines.append(b"\0" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big"))
    packed = zlib.compress(b"".join(lines))
    half = len(packed) // 2
    palette = chunk(b"PLTE", bytes(range(48))) if kind == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)) + palette
        + before + chunk(b"IDAT", packed[:half]) + chunk(b"IDAT", packed[half:]) + chunk(b"tEXt", b"Title\0a film")
        + after + chunk(b"IEND", b"")
    )  # fmt: skip


def tiff(samples, order="<", photometric=1, bits=None, byte_count=None, data=None, big=False, more=()):
    """Returns a TIFF of one strip, with its directory before it.

    Args:
        samples: (H, W) or (H, W, channels).
        byte_count: what the tag StripByteCounts says, if that is not the length of the data.
        data: compressed samples.
        big: whether it is a BigTIFF, which has offsets of 64 bits.
        more: tag -> value of more or other tags; bytes, None to leave the tag out, or a number.
    """
    height, width, *channels = samples.shape
    channels = channels[0] if channels else 1
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes() if data is None else data
    tags = {
        256: width, 257: height, 258: [bits or 8 * samples.itemsize] * channels, 259: 1, 262: photometric, 273: 0,
        277: channels, 278: height, 279: len(data) if byte_count is None else byte_count,
    } | dict(more)  # fmt: skip
    tags = {tag: value for tag, value in tags.items() if value is not None}
    length, inline = ("Q", 8) if big else ("I", 4)
    start = (24 if big else 10) + (20 if big else 12) * len(tags) + inline
    values = {}
    for tag, value in tags.items():
        if isinstance(value, bytes):
            values[tag] = 1, len(value), value
        elif tag in (273, 279):
            values[tag] = 4, 1, struct.pack(f"{order}I", value)
        else:
            numbers = value if isinstance(value, list) else [value]
            values[tag] = 3, len(numbers), struct.pack(f"{order}{len(numbers)}H", *numbers)
    arrays = sum(len(value) for _, _, value in values.values() if len(value) > inline)
    values[273] = 4, 1, struct.pack(f"{order}I", start + arrays)
    entries, outside = b"", b""
    for tag, (kind, number, value) in sorted(values.items()):
        entries += struct.pack(f"{order}HH{length}", tag, kind, number)
        if len(value) > inline:
            entries += struct.pack(f"{order}{length}", start + len(outside))
            outside += value
        else:
            entries += value.ljust(inline, b"\0")
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 43 if big else 42)
    head += struct.pack(f"{order}HHQQ", 8, 0, 16, len(tags)) if big else struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(inline) + outside + data
