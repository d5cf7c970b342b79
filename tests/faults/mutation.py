"""Damages files at random: at any byte, and at the lengths, types, offsets and counts of their formats."""

import struct
import zlib

NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 127, 128, 255, 256, 4095, 32767, 32768, 65534, 65535, 65536,
           0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip
VRS = (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"FD", b"IS", b"LO", b"OB", b"OW", b"PN", b"SQ", b"UI", b"UL", b"UN",
       b"US", b"UT", b"\0\0", b"zz")  # fmt: skip
GEOMETRY = (0x0002, 0x0004, 0x0008, 0x0010, 0x0011, 0x0100, 0x0101, 0x0102, 0x0103)
WITHOUT_LENGTH = 0xFFFFFFFF


def mutate(data, rng, others):
    """Returns a file with one to four random changes. others: files from which pieces are taken."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        structured = next((change for magic, change in STRUCTURED if data[magic[0] :].startswith(magic[1])), None)
        change = structured if structured and rng.random() < 0.7 else anywhere
        data = change(data, rng) if change is not anywhere or rng.random() < 0.9 else spliced(data, rng, others)
    return data


def anywhere(data, rng):
    """Changes, inserts, removes or repeats bytes at any position."""
    if not data:
        return rng.randbytes(4)
    at = rng.randrange(len(data))
    length = min(rng.choice((1, 2, 4, 8, 60, 700)), len(data) - at)
    number = rng.choice(NUMBERS)
    return rng.choice((
        lambda: data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
        lambda: data[:at] + struct.pack(rng.choice("<>") + "I", number) + data[at + 4 :],
        lambda: data[:at] + struct.pack(rng.choice("<>") + "H", number & 0xFFFF) + data[at + 2 :],
        lambda: data[:at] + rng.randbytes(length) + data[at + length :],
        lambda: data[:at] + data[at + length :],
        lambda: data[: at + length] + data[at:],
        lambda: data[:at] + rng.randbytes(length) + data[at:],
        lambda: data[:at],
        lambda: data + rng.randbytes(length),
    ))()  # fmt: skip


def spliced(data, rng, others):
    """Joins the beginning of a file and the end of another one."""
    other = rng.choice(others)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


def dicom(data, rng):
    """Changes an element's tag, VR, length or value, removes, repeats or adds an element, or calls `fragments`."""
    if rng.random() < 0.3:
        return fragments(data, rng)
    elements = list(explicit_elements(data))
    if not elements:
        return anywhere(data, rng)
    start, head, length = rng.choice(elements)
    if rng.random() < 0.5:
        chosen = [e for e in elements if struct.unpack("<H", data[e[0] + 2 : e[0] + 4])[0] in GEOMETRY]
        start, head, length = rng.choice(chosen or elements)
    value = start + head
    size = struct.Struct("<H" if head == 8 else "<I")
    return rng.choice((
        lambda: data[:start] + struct.pack("<H", rng.choice((2, 8, 0x28, 0x7FE0, 0xFFFE, 0xFFFF))) + data[start + 2 :],
        lambda: data[: start + 4] + rng.choice(VRS) + data[start + 6 :],
        lambda: data[: value - size.size] + size.pack(rng.choice(NUMBERS) & (256**size.size - 1)) + data[value:],
        lambda: data[:value] + struct.pack("<H", rng.choice(NUMBERS) & 0xFFFF) + data[value + 2 :],
        lambda: data[:value] + rng.randbytes(length) + data[value + length :],
        lambda: data[:start] + data[value + length :],
        lambda: data[: value + length] + data[start:],
        lambda: data[:start] + new_element(rng) + data[start:],
    ))()  # fmt: skip


def explicit_elements(data):
    """Yields (start, bytes before the value, length) of elements of Explicit VR, up to the first invalid one."""
    at = 132
    while at + 8 <= len(data):
        long = data[at + 4 : at + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR")
        length = (
            struct.unpack("<I", data[at + 8 : at + 12].ljust(4, b"\0"))[0] if long else data[at + 6] | data[at + 7] << 8
        )
        head = 12 if long else 8
        if length == WITHOUT_LENGTH or at + head + length > len(data):
            return
        yield at, head, length
        at += head + length


def new_element(rng):
    """Returns a nested sequence, with or without its end, or an element that is unknown, private or too long."""
    depth = rng.choice((1, 2, 30, 2000))
    item = struct.pack("<HHI", 0xFFFE, 0xE000, WITHOUT_LENGTH)
    opened = struct.pack("<HH2sHI", 8, 0x1115, rng.choice((b"SQ", b"UN")), 0, WITHOUT_LENGTH) + item
    closed = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return rng.choice((
        lambda: opened * depth + closed * depth,
        lambda: opened * depth + closed * (depth - 1),
        lambda: opened + rng.randbytes(20) + closed,
        lambda: struct.pack("<HH2sHI", 9, 0x1001, b"UN", 0, 40) + rng.randbytes(40),
        lambda: struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, rng.choice(NUMBERS)) + rng.randbytes(8),
        lambda: struct.pack("<HH2sH", 9, 0x1001, b"LO", 8) + rng.randbytes(8),
        lambda: struct.pack("<HH2sH", 8, 5, b"CS", 8) + rng.randbytes(8),
    ))()  # fmt: skip


def fragments(data, rng):
    """Changes an item's length, a number of an RLE header or a byte of a run, or adds, repeats or removes items."""
    items = [at for at in range(len(data)) if data.startswith(b"\xfe\xff\x00\xe0", at)]
    if not items:
        return anywhere(data, rng)
    at = rng.choice(items)
    length = min(struct.unpack("<I", data[at + 4 : at + 8].ljust(4, b"\0"))[0], len(data))
    field = at + 8 + 4 * rng.randrange(4)
    body = at + 8 + rng.randrange(length + 1)
    return rng.choice((
        lambda: data[: at + 4] + struct.pack("<I", rng.choice(NUMBERS)) + data[at + 8 :],
        lambda: data[:field] + struct.pack("<I", rng.choice(NUMBERS)) + data[field + 4 :],
        lambda: data[:body] + bytes([rng.choice((0, 1, 127, 128, 129, 255))]) + data[body + 1 :],
        lambda: data[:at] + data[at + 8 + length :],
        lambda: data[: at + 8 + length] + data[at:],
        lambda: data.replace(b"\xfe\xff\xdd\xe0", b"\xfe\xff\x00\xe0"),
    ))()  # fmt: skip


def png(data, rng):
    """Changes a chunk's type or data, adds, repeats, removes or reorders chunks. Most checksums are correct."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    if not chunks:
        return anywhere(data, rng)
    number = rng.randrange(len(chunks))
    kind, body = chunks[number]

    def change_header():
        at = rng.randrange(13)
        chunks[0][1] = chunks[0][1][:at] + bytes([rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))]) + chunks[0][1][at + 1 :]

    rng.choice((
        change_header,
        lambda: chunks[number].__setitem__(1, anywhere(body, rng)),
        lambda: chunks[number].__setitem__(0, rng.choice((b"IDAT", b"IEND", b"PLTE", b"tRNS", b"acTL", b"aaaa"))),
        lambda: chunks.insert(number, [kind, body]),
        lambda: chunks.pop(number),
        lambda: rng.shuffle(chunks),
        lambda: chunks.insert(1, new_chunk(rng)),
        lambda: chunks[number].__setitem__(1, zlib.compress(rng.randbytes(rng.choice((1, 30, 3000))))),
    ))()  # fmt: skip
    whole = data[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return whole if rng.random() < 0.8 else anywhere(whole, rng)


def new_chunk(rng):
    return [*rng.choice((
        lambda: (b"tEXt", b"key\0" + rng.randbytes(50)),
        lambda: (b"zTXt", b"key\0\0" + zlib.compress(bytes(2 << 20))),
        lambda: (b"iTXt", b"key\0\1\0\0\0" + zlib.compress(bytes(2 << 20))),
        lambda: (b"iCCP", b"key\0\0" + zlib.compress(bytes(2 << 20))),
        lambda: (b"acTL", struct.pack(">II", rng.choice(NUMBERS), 0)),
        lambda: (b"fcTL", rng.randbytes(26)),
        lambda: (b"gAMA", rng.randbytes(rng.randrange(6))),
        lambda: (b"pHYs", rng.randbytes(rng.randrange(10))),
        lambda: (b"eXIf", rng.randbytes(rng.randrange(40))),
    ))()]  # fmt: skip


def tiff(data, rng):
    """Changes tag, type, count or value of an entry of the first directory, or the offsets of directories."""
    order = "<" if data.startswith(b"II") else ">"
    start = struct.unpack(order + "I", data[4:8].ljust(4, b"\0"))[0]
    if start + 2 > len(data):
        return anywhere(data, rng)
    count = struct.unpack(order + "H", data[start : start + 2])[0]
    entry = start + 2 + 12 * rng.randrange(max(1, min(count, 60)))
    tag = rng.choice(
        (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 322, 324, 330, 339, 347, 34665, 34675)
    )
    return rng.choice((
        lambda: data[:entry] + struct.pack(order + "H", tag) + data[entry + 2 :],
        lambda: data[: entry + 2] + struct.pack(order + "H", rng.randrange(20)) + data[entry + 4 :],
        lambda: data[: entry + 4] + struct.pack(order + "I", rng.choice(NUMBERS)) + data[entry + 8 :],
        lambda: data[: entry + 8] + struct.pack(order + "I", rng.choice(NUMBERS)) + data[entry + 12 :],
        lambda: data[: entry + 8] + struct.pack(order + "I", rng.randrange(len(data))) + data[entry + 12 :],
        lambda: data[:start] + struct.pack(order + "H", rng.choice(NUMBERS) & 0xFFFF) + data[start + 2 :],
        lambda: data[: start + 2 + 12 * count] + struct.pack(order + "I", start) + data[start + 6 + 12 * count :],
        lambda: data[:4] + struct.pack(order + "I", rng.randrange(len(data))) + data[8:],
    ))()  # fmt: skip


def jpeg(data, rng):
    """Changes a segment's marker, length or content, or adds, repeats, removes or reorders segments."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        segments.append(data[at : at + 2 + length])
        at += 2 + max(length, 2)
    if not segments:
        return anywhere(data, rng)
    number = rng.randrange(len(segments))
    segment = segments[number]

    def change_frame_header():
        for n, s in enumerate(segments):
            if 0xC0 <= s[1] <= 0xC2 and len(s) > 10:
                field = rng.choice((4, 5, 6, 7, 8, 9, 10, 11))
                segments[n] = s[:field] + bytes([rng.choice((0, 1, 2, 3, 8, 12, 16, 17, 255))]) + s[field + 1 :]

    rng.choice((
        change_frame_header,
        lambda: segments.__setitem__(number, segment[:4] + rng.randbytes(len(segment) - 4)),
        lambda: segments.__setitem__(number, segment[:2] + rng.randbytes(2) + segment[4:]),
        lambda: segments.__setitem__(number, bytes([0xFF, rng.randrange(0xC0, 0xFF)]) + segment[2:]),
        lambda: segments.insert(number, segment),
        lambda: segments.pop(number),
        lambda: rng.shuffle(segments),
        lambda: segments.insert(0, b"\xff\xe1" + struct.pack(">H", 60) + b"Exif\0\0" + rng.randbytes(52)),
        lambda: segments.insert(0, b"\xff\xe2" + struct.pack(">H", 60) + b"MPF\0" + rng.randbytes(54)),
    ))()  # fmt: skip
    return data[:2] + b"".join(segments) + data[at:]


STRUCTURED = (
    ((128, b"DICM"), dicom),
    ((0, b"\x89PNG"), png),
    ((0, b"II*\0"), tiff),
    ((0, b"MM\0*"), tiff),
    ((0, b"\xff\xd8"), jpeg),
)
