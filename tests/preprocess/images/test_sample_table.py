"""Every combination of container, depth, sign and byte order: the pixels of its samples, or the reason why not.

The files are written by `files`, and JPEG 2000 by an encoder. The expected pixels are computed from the samples by
`files.full_range`, so no decoder of these formats takes part. JPEG 2000 is decoded with each installed plugin alone.
"""

import io
import zlib

import numpy as np
import pytest
from openjpeg.utils import encode_buffer
from PIL import Image
from pydicom.pixels import get_decoder

from preprocess.images.formats import open_film
from preprocess.runtime.errors import RejectedFilm
from tests.preprocess.images import files

HEIGHT, WIDTH = 37, 35  # both odd: so is the number of bytes of a film of 8 bits; JPEG 2000 needs at least 32
M1, M2 = b"MONOCHROME1 ", b"MONOCHROME2 "
NAMES = {
    "explicit": files.EXPLICIT, "implicit": files.IMPLICIT, "RLE": files.RLE, "JPEG 2000": files.JPEG_2000,
    "JPEG": files.JPEG,
}  # fmt: skip
OF_SIGNED = "a TIFF of signed integers (SampleFormat 2); expected unsigned integers"
OF_FLOATS = "a TIFF of floating-point numbers (SampleFormat 3); expected unsigned integers"
SIGNED = "header: DICOM attribute PixelRepresentation is 1; expected 0 (unsigned)"


def samples(bits, seed=0):
    """Returns (H, W) random samples, in the smallest type; the smallest and the largest value are among them."""
    values = np.random.default_rng(seed).integers(0, 2**bits, (HEIGHT, WIDTH))
    values[0, :2] = 0, 2**bits - 1
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


def read(data):
    """Returns the pixels of a file, or "<stage>: <reason>" of its rejection."""
    try:
        film = open_film(io.BytesIO(data))
        middle = (film.height + 1) // 2
        bands = [film.read_rows(0, middle).copy()]
        return np.concatenate([*bands, film.read_rows(middle, film.height)] if middle < film.height else bands)
    except RejectedFilm as rejected:
        return f"{rejected.stage}: {rejected.reason}"


def check(data, expected):
    """Checks that a file has the expected pixels, or is rejected with the expected reason."""
    result = read(data)
    if isinstance(expected, str):
        assert result == expected
    else:
        assert not isinstance(result, str), result
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("photometric", [M1, M2], ids=["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("container", ["explicit", "implicit", "RLE"])
@pytest.mark.parametrize(
    ("allocated", "stored"), [(8, 1), (8, 4), (8, 7), (8, 8), (16, 1), (16, 8), (16, 10), (16, 12), (16, 15), (16, 16)]
)
def test_uncompressed_and_rle_samples(container, allocated, stored, photometric):
    values = samples(stored).astype(np.uint8 if allocated == 8 else np.uint16)
    header = {"BitsAllocated": allocated, "BitsStored": stored, "PhotometricInterpretation": photometric}
    if container == "RLE":
        data = files.encapsulated([files.rle_frame(values)], files.RLE, values.shape, **header)
    else:
        data = files.dicom(values, NAMES[container], **header)
    check(data, files.full_range(values, stored, photometric == M1))


@pytest.mark.parametrize(
    ("container", "header", "reason"),
    [
        ("explicit", {"PixelRepresentation": 1}, SIGNED),
        ("implicit", {"PixelRepresentation": 1}, SIGNED),
        ("RLE", {"PixelRepresentation": 1}, SIGNED),
        ("explicit", {"BitsAllocated": 32}, "header: DICOM attribute BitsAllocated is 32; expected 8 or 16"),
        ("explicit", {"BitsAllocated": 12}, "header: DICOM attribute BitsAllocated is 12; expected 8 or 16"),
        ("RLE", {"SamplesPerPixel": 3}, "header: DICOM attribute SamplesPerPixel is 3; expected 1"),
    ],
)
def test_layouts_of_uncompressed_and_rle_samples_that_are_refused(container, header, reason):
    values = samples(16)
    if container == "RLE":
        check(files.encapsulated([files.rle_frame(values)], files.RLE, values.shape, **header), reason)
    else:
        check(files.dicom(values, NAMES[container], **header), reason)


@pytest.fixture(params=["pillow", "pylibjpeg"])
def plugin(request):
    """Makes pydicom decode JPEG 2000 with one plugin only."""
    decoder = get_decoder(files.JPEG_2000)
    assert {"pillow", "pylibjpeg"} <= set(decoder.available_plugins)
    others = [name for name in decoder.available_plugins if name != request.param]
    for name in others:
        decoder.remove_plugin(name)
    yield request.param
    for name in others:
        decoder.add_plugin(name, (f"pydicom.pixels.decoders.{name}", "_decode_frame"))


def jpeg_2000(values, precision, is_signed=False):
    data = values.astype("<u2" if precision > 8 else "u1").tobytes()
    return encode_buffer(data, WIDTH, HEIGHT, 1, precision, is_signed, photometric_interpretation=2)


@pytest.mark.parametrize("photometric", [M1, M2], ids=["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("allocated", "stored", "precision"),
    [(16, 16, 16), (16, 12, 16), (16, 10, 16), (16, 8, 16), (8, 8, 16), (8, 8, 12), (16, 16, 12), (16, 12, 12),
     (16, 10, 12), (16, 12, 10), (16, 16, 9), (16, 16, 8), (16, 12, 8), (8, 8, 8), (8, 7, 8), (8, 8, 7), (16, 16, 4),
     (16, 16, 2)],
)  # fmt: skip
def test_jpeg_2000_has_the_depth_of_its_codestream(allocated, stored, precision, photometric, plugin):
    values = samples(precision)
    header = {"BitsAllocated": allocated, "BitsStored": stored, "PhotometricInterpretation": photometric}
    data = files.encapsulated([jpeg_2000(values, precision)], files.JPEG_2000, values.shape, **header)
    check(data, files.full_range(values, precision, photometric == M1))


@pytest.mark.parametrize(
    ("precision", "codestream_signed", "pixel_representation", "reason"),
    [
        (16, True, 0, "header: its compressed pixel data are signed; its header specifies PixelRepresentation 0 "
                      "(unsigned)"),
        (12, True, 0, "header: its compressed pixel data are signed; its header specifies PixelRepresentation 0 "
                      "(unsigned)"),
        (16, False, 1, "header: its compressed pixel data are unsigned; its header specifies PixelRepresentation 1 "
                       "(signed)"),
        (16, True, 1, SIGNED),
        (20, False, 0, "header: its compressed pixel data have 20 bits a sample; expected 1 to 16"),
    ],
)  # fmt: skip
def test_jpeg_2000_whose_sign_or_depth_is_refused(precision, codestream_signed, pixel_representation, reason):
    values = samples(12)
    codestream = bytearray(jpeg_2000(values, 12, is_signed=False))
    codestream[42] = precision - 1 | codestream_signed << 7  # Ssiz
    header = {"PixelRepresentation": pixel_representation}
    check(files.encapsulated([bytes(codestream)], files.JPEG_2000, values.shape, **header), reason)


def test_jpeg_2000_with_fewer_samples_than_pixels_is_refused():
    codestream = bytearray(jpeg_2000(samples(16), 16))
    codestream[43:45] = b"\xff\xff"  # XRsiz, YRsiz: one sample, which numpy would repeat for all pixels
    data = files.encapsulated([bytes(codestream)], files.JPEG_2000, (HEIGHT, WIDTH))
    check(data, "header: its compressed pixel data have fewer samples than pixels")


def jpeg_in_blocks():
    """Returns samples that are equal in each block of 8 x 8 pixels, and a JPEG that contains them without loss."""
    blocks = np.random.default_rng(1).integers(0, 256, (5, 5)).astype(np.uint8)
    values = np.repeat(np.repeat(blocks, 8, 0), 8, 1)[:HEIGHT, :WIDTH]
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG", quality=100)
    return values, file.getvalue()


@pytest.mark.parametrize(("allocated", "stored"), [(8, 8), (8, 6), (16, 8), (16, 12), (16, 16)])
def test_jpeg_has_the_depth_of_its_codestream(allocated, stored):
    values, codestream = jpeg_in_blocks()
    header = {"BitsAllocated": allocated, "BitsStored": stored}
    check(files.encapsulated([codestream], files.JPEG, values.shape, **header), files.full_range(values, 8))


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_png_samples(depth):
    values = samples(depth)
    check(files.png(values, depth), files.full_range(values, depth))


@pytest.mark.parametrize(
    ("depth", "kind", "channels", "reason"),
    [
        (16, 2, 3, "a 16-bit colour PNG; give gray of 8 or 16 bits"),
        (16, 4, 2, "a 16-bit gray and alpha PNG; give gray of 8 or 16 bits"),
        (16, 6, 4, "a 16-bit colour and alpha PNG; give gray of 8 or 16 bits"),
        (8, 4, 2, "an 8-bit gray and alpha PNG; give gray of 8 or 16 bits"),
        (8, 6, 4, "an 8-bit colour and alpha PNG; give gray of 8 or 16 bits"),
        (8, 3, 1, "an 8-bit palette PNG; give gray of 8 or 16 bits"),
        (4, 3, 1, "a 4-bit palette PNG; give gray of 8 or 16 bits"),
        (1, 0, 1, "a 1-bit gray PNG; give gray of 8 or 16 bits"),
    ],
)
def test_png_kinds_that_are_refused(depth, kind, channels, reason):
    values = np.repeat(samples(depth)[..., None], channels, axis=2)  # equal channels
    check(files.png(values % 16 if kind == 3 else values, depth, kind), f"header: {reason}")


def test_a_png_with_transparent_pixels_is_refused():
    for depth in (8, 16):
        data = files.png(samples(depth), depth, before=files.chunk(b"tRNS", b"\0\7"))
        check(data, "header: a PNG with transparent pixels; give gray of 8 or 16 bits")


def test_chunks_of_a_png_that_describe_its_display_have_no_effect():
    more = files.chunk(b"gAMA", (45455).to_bytes(4, "big")) + files.chunk(b"sBIT", b"\x0c")
    more += files.chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(200))) + files.chunk(b"bKGD", b"\0\7")
    check(files.png(samples(16), 16, before=more), files.full_range(samples(16), 16))


def test_an_8_bit_colour_png_is_read_if_its_channels_are_equal():
    values = samples(8)
    check(files.png(np.dstack([values] * 3), 8, 2), files.full_range(values, 8))
    check(files.png(np.dstack([values, values, values ^ 1]), 8, 2), "pixels: a colour image; expected gray")


TIFFS = [("<", False), (">", False), ("<", True)]


@pytest.mark.parametrize(("order", "big"), TIFFS)
@pytest.mark.parametrize("sample_format", [None, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_samples(bits, sample_format, order, big):
    values = samples(bits)
    options = {"order": order, "big": big, "more": {339: sample_format}}
    check(files.tiff(values, **options), files.full_range(values, bits))
    reason = "header: a big-endian 16-bit TIFF with WhiteIsZero; give BlackIsZero or little-endian"
    can_be_read = bits == 8 or order == "<"
    expected = files.full_range(values, bits, inverted=True) if can_be_read else reason
    check(files.tiff(values, photometric=0, **options), expected)


def test_a_big_endian_bigtiff_is_refused():
    reason = "header: a big-endian BigTIFF; give a little-endian one or a TIFF"
    check(files.tiff(samples(16), ">", big=True), reason)


def differences(values):
    """Returns each sample minus the one to the left of it: the predictor 2 of TIFF."""
    left = np.pad(values, ((0, 0), (1, 0)))[:, :-1]
    return values - left


@pytest.mark.parametrize(("order", "big"), TIFFS)
@pytest.mark.parametrize("predictor", [None, 1, 2])
@pytest.mark.parametrize("compression", [8, 32946], ids=["deflate", "old deflate"])
@pytest.mark.parametrize("bits", [8, 16])
def test_compressed_tiff_samples(bits, compression, predictor, order, big):
    values = samples(bits)
    stored = differences(values) if predictor == 2 else values
    data = zlib.compress(stored.astype(values.dtype.newbyteorder(order)).tobytes())
    more = {259: compression, 317: predictor}
    check(files.tiff(values, order, data=data, big=big, more=more), files.full_range(values, bits))


@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("compression", [1, 8], ids=["none", "deflate"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_whose_bits_are_stored_from_the_last_to_the_first(bits, compression, fill_order):
    values = samples(bits)
    data = values.astype(f"<u{bits // 8}").tobytes()
    data = data if compression == 1 else zlib.compress(data)
    if fill_order == 2:
        data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    expected = files.full_range(values, bits)
    if (bits, fill_order) == (16, 2):
        expected = "header: a 16-bit TIFF with FillOrder 2; expected 1"
    check(files.tiff(values, data=data, more={259: compression, 266: fill_order}), expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "options", "reason"),
    [
        (np.int8, {"more": {339: 2}}, OF_SIGNED),
        (np.int16, {"more": {339: 2}}, OF_SIGNED),
        (np.int32, {"more": {339: 2}}, OF_SIGNED),
        (np.float16, {"more": {339: 3}}, OF_FLOATS),
        (np.float32, {"more": {339: 3}}, OF_FLOATS),
        (np.float64, {"more": {339: 3}}, OF_FLOATS),
        (np.uint16, {"more": {339: 4}}, "a TIFF of undefined values (SampleFormat 4); expected unsigned integers"),
        (np.uint32, {}, "a 32-bit gray TIFF; give gray of 8 or 16 bits"),
        (np.uint8, {"bits": 1}, "a 1-bit gray TIFF; give gray of 8 or 16 bits"),
        (np.uint8, {"bits": 2}, "a 2-bit gray TIFF; give gray of 8 or 16 bits"),
        (np.uint8, {"bits": 4}, "a 4-bit gray TIFF; give gray of 8 or 16 bits"),
        (np.uint16, {"bits": 12}, "a 12-bit gray TIFF; give gray of 8 or 16 bits"),
        (np.uint8, {"photometric": 3}, "an 8-bit palette TIFF; give gray of 8 or 16 bits"),
        (np.uint8, {"photometric": None}, "a gray TIFF with no PhotometricInterpretation; give BlackIsZero"),
        (np.uint16, {"photometric": None}, "a gray TIFF with no PhotometricInterpretation; give BlackIsZero"),
        (np.uint16, {"photometric": 2}, "a gray TIFF with PhotometricInterpretation 2; give BlackIsZero"),
        (np.uint16, {"photometric": 32803}, "a gray TIFF with PhotometricInterpretation 32803; give BlackIsZero"),
        (np.uint16, {"byte_count": 100}, "its header specifies 2,590 bytes of pixels in strips of only 100 bytes"),
        (np.uint16, {"more": {257: HEIGHT - 1}},
         "its header specifies 2,520 bytes of pixels without compression, in strips of 2,590 bytes"),
    ],
)  # fmt: skip
def test_tiff_kinds_that_are_refused(dtype, options, reason, order):
    values = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 100).astype(dtype)
    check(files.tiff(values, order, **options), f"header: {reason}")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("bits", "channels", "reason"),
    [(16, 3, "a 16-bit colour TIFF; give gray of 8 or 16 bits"), (8, 4, "an 8-bit 4-channel TIFF; give gray of 8 or")],
)
def test_colour_tiff_that_is_refused(bits, channels, reason, order):
    result = read(files.tiff(np.repeat(samples(bits)[..., None], channels, axis=2), order, photometric=2))
    assert isinstance(result, str)
    assert result.startswith(f"header: {reason}")


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_8_bit_colour_tiff_is_read_if_its_channels_are_equal(order):
    values = samples(8)
    check(files.tiff(np.dstack([values] * 3), order, photometric=2), files.full_range(values, 8))


@pytest.mark.parametrize("precision", [2, 12, 16])
def test_a_jpeg_file_of_another_depth_is_refused(precision):
    data = files.frame_header((HEIGHT, WIDTH), precision)
    check(data, f"header: a {precision}-bit JPEG; expected 8 bits, or give a PNG")


def test_a_jpeg_ls_file_is_refused():
    data = files.frame_header((HEIGHT, WIDTH), 16, marker=0xF7)
    check(data, "header: a JPEG-LS file; expected JPEG, or give a PNG")
