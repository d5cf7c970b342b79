"""PNG, TIFF and JPEG files: damage that can be detected, and bytes after their end."""

import io
import zlib

import pytest

from preprocess.images.formats import open_film
from tests.preprocess.images import files
from tests.preprocess.images.test_sample_table import check, jpeg_in_blocks, read, samples

FILM = samples(16)


def test_every_flipped_bit_of_a_png_is_noticed():
    """A flipped bit anywhere, also in texts, types, lengths and checksums, but in nothing that is not a chunk."""
    data = files.png(FILM, 16)
    for position in [*range(8, 120), *range(120, len(data), 41), *range(len(data) - 60, len(data))]:
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        assert isinstance(read(bytes(damaged)), str), position


def test_the_damaged_chunk_is_named_by_its_position():
    data = bytearray(files.png(FILM, 16))
    first = data.index(b"IDAT")
    second = data.index(b"IDAT", first + 4)
    data[second + 30] ^= 1
    check(bytes(data), f"pixels: its PNG data are damaged: the checksum of the chunk at byte {second - 4:,} is wrong")
    data[second + 30] ^= 1
    data[data.index(b"a film")] ^= 1
    text = data.index(b"tEXt") - 4
    check(bytes(data), f"pixels: its PNG data are damaged: the checksum of the chunk at byte {text:,} is wrong")


def test_a_png_that_ends_before_its_last_chunk_is_refused():
    data = files.png(FILM, 16)
    check(data[:-12] + b"IEND", "pixels: the PNG file is truncated: it ends before its last chunk (IEND)")


@pytest.mark.parametrize("rest", [b"\0", bytes(70_000), b"text" * 50_000], ids=len)
def test_bytes_after_the_end_of_a_png_or_jpeg_are_ignored(rest):
    check(files.png(FILM, 16) + rest, files.full_range(FILM, 16))
    values, codestream = jpeg_in_blocks()
    check(codestream + rest, files.full_range(values, 8))


def test_the_end_mark_is_found_between_two_blocks_of_a_mebibyte():
    values, codestream = jpeg_in_blocks()
    fill = (1 << 20) + 1 - len(codestream)
    sizes = [fill // 17] * 16 + [fill - fill // 17 * 16]
    comments = b"".join(b"\xff\xfe" + (size - 2).to_bytes(2, "big") + bytes(size - 4) for size in sizes)
    data = codestream[:2] + comments + codestream[2:]
    assert data.index(b"\xff\xd9") == (1 << 20) - 1
    check(data + bytes(100_000), files.full_range(values, 8))


def test_a_png_is_decoded_once():
    film = open_film(io.BytesIO(files.png(FILM, 16)))
    film.read_rows(0, 5)
    image = film._image
    film.read_rows(5, 9)
    assert film._image is image


def deflated_tiff(strips, **options):
    """Returns a TIFF of `FILM` whose data are the deflated strips. options: of `files.tiff`."""
    return files.tiff(FILM, data=b"".join(strips), more={259: 8}, **options)


@pytest.mark.parametrize("big", [False, True], ids=["TIFF", "BigTIFF"])
def test_every_flipped_bit_of_a_deflated_tiff_strip_is_noticed(big):
    packed = zlib.compress(FILM.astype("<u2").tobytes())
    data = deflated_tiff([packed], big=big)
    start = data.index(packed)
    check(data, files.full_range(FILM, 16))
    reason = f"pixels: its TIFF data are damaged: the checksum of the strip or tile at byte {start:,} is wrong"
    for position in [*range(2, 60), *range(60, len(packed), 41), *range(len(packed) - 4, len(packed))]:
        damaged = bytearray(data)
        damaged[start + position] ^= 1 << position % 8
        check(bytes(damaged), reason)


def test_a_deflated_tiff_strip_without_its_checksum_is_refused():
    packed = zlib.compress(FILM.astype("<u2").tobytes())
    assert "the checksum of the strip or tile" in read(deflated_tiff([packed[:-4]]))
    assert "the checksum of the strip or tile" in read(deflated_tiff([packed[:-1]]))
    check(deflated_tiff([packed, b"rest"]), files.full_range(FILM, 16))


@pytest.mark.parametrize("tag", [256, 257], ids=["ImageWidth", "ImageLength"])
def test_every_flipped_bit_in_the_size_of_a_deflated_tiff_is_noticed(tag):
    height, width = FILM.shape
    packed = zlib.compress(FILM.astype("<u2").tobytes())
    check(deflated_tiff([packed]), files.full_range(FILM, 16))
    for bit in range(16):
        size = {256: width, 257: height}[tag] ^ 1 << bit
        result = read(files.tiff(FILM, data=packed, more={259: 8, tag: size}))
        assert isinstance(result, str), bit
        pixel_bytes = 2 * size * (height if tag == 256 else width)
        if 0 < pixel_bytes < FILM.nbytes:
            assert result == (
                f"pixels: its header specifies {pixel_bytes:,} bytes of pixels; its strips have {FILM.nbytes:,} bytes"
            )
