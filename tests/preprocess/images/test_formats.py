"""Compares the pixels of every image format with pydicom, Pillow or NumPy, and tests which files are rejected."""

import io
import itertools
import struct
from fractions import Fraction

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from preprocess.images.formats import open_film
from preprocess.images.pixels import to_full_range
from preprocess.runtime.errors import RejectedFilm
from tests.support.films import random_film, write_dicom, write_image


def read(path, bands=3):
    """Reads a whole film in bands of rows, as the resize does."""
    with open(path, "rb") as stream:
        film = open_film(stream)
        bounds = np.linspace(0, film.height, bands + 1).astype(int)
        rows = [film.read_rows(int(a), int(b)).copy() for a, b in itertools.pairwise(bounds)]
    pixels = np.concatenate(rows)
    assert pixels.shape == (film.height, film.width)
    assert pixels.dtype == np.uint16
    return pixels


def refusal(path):
    """Returns "<stage>: <reason>" of a film that must be rejected."""
    with pytest.raises(RejectedFilm) as refused:
        read(path)
    return f"{refused.value.stage}: {refused.value.reason}"


@pytest.mark.parametrize("bits", range(1, 17))
def test_samples_of_fewer_bits_are_scaled_to_the_full_range(bits):
    top = 2**bits - 1
    samples = np.unique(np.linspace(0, top, 300).astype(np.uint16))[None]
    expected = [int(Fraction(int(v) * 65535, top) + Fraction(1, 2)) for v in samples[0]]
    assert to_full_range(samples, bits, inverted=False)[0].tolist() == expected
    assert to_full_range(samples, bits, inverted=True)[0].tolist() == [65535 - v for v in expected]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_dicom_pixels(syntax, dtype, tmp_path):
    samples = random_film(1, 61, 43, dtype)
    path = write_dicom(tmp_path / "x.dcm", samples, syntax)
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, samples)
    np.testing.assert_array_equal(read(path), samples.astype(np.uint16) * (257 if dtype == np.uint8 else 1))


def test_rle_runs_and_literals(tmp_path):
    samples = np.repeat(random_film(2, 40, 9), 31, axis=1)
    samples[::3, :50] = 0
    np.testing.assert_array_equal(read(write_dicom(tmp_path / "x.dcm", samples, RLELossless)), samples)


@pytest.mark.parametrize(
    "options", [{"has_bot": True}, {"has_bot": False}, {"fragments_per_frame": 2}], ids=["table", "none", "fragments"]
)
def test_rle_in_every_encapsulation(options, tmp_path):
    samples = random_film(21)
    dataset = pydicom.dcmread(write_dicom(tmp_path / "x.dcm", samples, RLELossless))
    (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([frame], **options)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "y.dcm")
    np.testing.assert_array_equal(read(tmp_path / "y.dcm"), samples)


def test_rle_whose_runs_cross_rows(tmp_path):
    samples = random_film(22, 33, 21)
    segments = []
    for plane in ((samples >> 8).astype(np.uint8).tobytes(), samples.astype(np.uint8).tobytes()):
        packed = b"".join(bytes([len(plane[i : i + 128]) - 1]) + plane[i : i + 128] for i in range(0, len(plane), 128))
        segments.append(packed + b"\0" * (len(packed) % 2))
    header = struct.pack("<16I", 2, 64, 64 + len(segments[0]), *[0] * 13)
    dataset = pydicom.dcmread(write_dicom(tmp_path / "x.dcm", samples, RLELossless))
    dataset.PixelData = pydicom.encaps.encapsulate([header + b"".join(segments)])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "y.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "y.dcm").pixel_array, samples)
    np.testing.assert_array_equal(read(tmp_path / "y.dcm"), samples)


@pytest.mark.parametrize(("bits", "step"), [(2, 21845), (4, 4369)])
def test_png_of_2_and_4_bits(bits, step, tmp_path):
    import zlib

    samples = random_film(23, 16, 16, np.uint8) >> (8 - bits)
    packed = [int("".join(f"{v:0{bits}b}" for v in row), 2).to_bytes(16 * bits // 8, "big") for row in samples.tolist()]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 16, 16, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed))),
        (b"IEND", b""),
    ]
    data = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    (tmp_path / "x").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    np.testing.assert_array_equal(read(tmp_path / "x"), samples.astype(np.uint16) * step)


def test_bits_above_twelve_stored_bits_are_ignored(tmp_path):
    samples = random_film(3)  # the upper four bits are random; they are not part of the samples
    path = write_dicom(tmp_path / "x.dcm", samples, BitsStored=12)
    expected = np.floor((samples & 4095) * (65535 / 4095) + 0.5).astype(np.uint16)
    np.testing.assert_array_equal(read(path), expected)


def test_monochrome1_is_inverted(tmp_path):
    samples = random_film(4)
    path = write_dicom(tmp_path / "x.dcm", samples, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read(path), 65535 - samples)


def test_jpeg2000_is_read_by_a_plugin(tmp_path):
    samples = random_film(5, 64, 64)
    dataset = pydicom.dcmread(write_dicom(tmp_path / "x.dcm", samples))
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    dataset.save_as(tmp_path / "j2k.dcm")
    np.testing.assert_array_equal(read(tmp_path / "j2k.dcm"), samples)


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_and_tiff_pixels(format_, dtype, tmp_path):
    samples = random_film(6, dtype=dtype)
    path = write_image(tmp_path / "no ending", samples, format=format_)
    np.testing.assert_array_equal(read(path), samples.astype(np.uint16) * (257 if dtype == np.uint8 else 1))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(compression, tmp_path):
    samples = random_film(7)
    path = write_image(tmp_path / "x", samples, format="TIFF", compression=compression)
    np.testing.assert_array_equal(read(path), samples)


def plain_tiff(samples, photometric, order="<"):
    """Returns the bytes of a TIFF with one uncompressed strip. photometric: 0 (white is zero) or 1 (black is zero)."""
    height, width = samples.shape
    data = samples.astype(f"{order}u{samples.itemsize}").tobytes()
    tags = [
        (256, 3, width), (257, 3, height), (258, 3, 8 * samples.itemsize), (259, 3, 1), (262, 3, photometric),
        (273, 4, 8), (277, 3, 1), (278, 3, height), (279, 4, len(data)),
    ]  # fmt: skip
    pack = lambda kind, value: struct.pack(f"{order}{'HH' if kind == 3 else 'I'}", *(value, 0)[: 2 if kind == 3 else 1])  # noqa: E731
    entries = b"".join(struct.pack(f"{order}HHI", tag, kind, 1) + pack(kind, value) for tag, kind, value in tags)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("order", "dtype", "photometric"),
    [("<", np.uint8, 0), ("<", np.uint8, 1), (">", np.uint8, 0), (">", np.uint8, 1), ("<", np.uint16, 0),
     ("<", np.uint16, 1), (">", np.uint16, 1)],
)  # fmt: skip
def test_tiff_white_is_zero_and_byte_orders(order, dtype, photometric, tmp_path):
    samples = random_film(8, 50, 40, dtype)
    (tmp_path / "x").write_bytes(plain_tiff(samples, photometric, order))
    expected = samples.astype(np.uint16) * (257 if dtype == np.uint8 else 1)
    np.testing.assert_array_equal(read(tmp_path / "x"), expected if photometric == 1 else 65535 - expected)


def test_jpeg_pixels(tmp_path):
    path = write_image(tmp_path / "x.jpg", random_film(9, dtype=np.uint8), format="JPEG", quality=90)
    np.testing.assert_array_equal(read(path), np.asarray(Image.open(path)).astype(np.uint16) * 257)


def test_a_gray_image_stored_in_colour_is_read(tmp_path):
    gray = random_film(10, dtype=np.uint8)
    path = write_image(tmp_path / "x", np.dstack([gray] * 3), format="PNG")
    np.testing.assert_array_equal(read(path), gray.astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"BitsStored": 17}, "BitsStored is 17; expected 1 to 16"),
        ({"HighBit": 11}, "HighBit is 11; expected 15"),
        ({"PixelRepresentation": 1}, "PixelRepresentation is 1; expected 0 (unsigned)"),
        ({"SamplesPerPixel": 3}, "SamplesPerPixel is 3; expected 1"),
        ({"PhotometricInterpretation": "RGB"}, "PhotometricInterpretation is RGB; expected MONOCHROME1 or MONOCHROME2"),
        ({"NumberOfFrames": 2}, "NumberOfFrames is 2; expected 1"),
        ({"Rows": 0}, "Rows is 0; expected 1 to 65535"),
        ({"BitsAllocated": 32}, "BitsAllocated is 32; expected 8 or 16"),
        ({"Rows": 90}, "specifies 90 x 40 pixels of 16 bits (7,200 bytes); the file has only 4,800"),
        ({"Rows": 59}, "its pixel data has 4,800 bytes; its header specifies 4,720, and the rest is not padding"),
        ({"Rows": None}, "Rows is empty; expected 1 to 65535"),
    ],
)
def test_invalid_dicom_headers_are_refused(header, message, tmp_path):
    path = write_dicom(tmp_path / "x.dcm", random_film(11, 60, 40), **header)
    assert message in refusal(path)
    assert refusal(path).startswith("header: ")


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_deflated_and_big_endian_dicom(dtype, syntax, tmp_path):
    samples = random_film(12, dtype=dtype)
    dataset = pydicom.dcmread(write_dicom(tmp_path / "x.dcm", samples))
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = samples.astype(samples.dtype.newbyteorder(">")).tobytes() + b"\0" * (samples.nbytes % 2)
    pydicom.dcmwrite(
        tmp_path / "y.dcm", dataset, implicit_vr=False, little_endian=syntax == DeflatedExplicitVRLittleEndian,
        force_encoding=True,
    )  # fmt: skip
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "y.dcm").pixel_array, samples)
    np.testing.assert_array_equal(
        read(tmp_path / "y.dcm"), samples.astype(np.uint16) * (257 if dtype == np.uint8 else 1)
    )


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
def test_truncated_dicom_files_are_refused(syntax, tmp_path):
    whole = write_dicom(tmp_path / "x.dcm", random_film(14, 30, 20), syntax).read_bytes()
    for length in [*range(0, len(whole) - 700, 37), *range(len(whole) - 700, len(whole) - 40, 13)]:
        (tmp_path / "cut").write_bytes(whole[:length])
        refusal(tmp_path / "cut")


@pytest.mark.parametrize(("format_", "mark"), [("PNG", "end mark"), ("JPEG", "end mark"), ("TIFF", "up to byte")])
def test_truncated_image_files_are_refused(format_, mark, tmp_path):
    whole = write_image(tmp_path / "x", random_film(15, dtype=np.uint8), format=format_).read_bytes()
    if format_ == "TIFF":  # with the directory before the strip, so that the strip is truncated
        whole = plain_tiff(random_film(15, 60, 40), 1)
        entries = whole[8 + 4800 :]
        whole = whole[:4] + struct.pack("<I", 8) + entries + whole[8 : 8 + 4800]
        position = whole.index(struct.pack("<HHII", 273, 4, 1, 8))
        whole = whole[:position] + struct.pack("<HHII", 273, 4, 1, 8 + len(entries)) + whole[position + 12 :]
    (tmp_path / "cut").write_bytes(whole[:-100])
    assert mark in refusal(tmp_path / "cut")
    assert refusal(tmp_path / "cut").startswith("header: ")


def test_a_png_header_with_too_many_pixels_for_its_file_is_refused(tmp_path):
    whole = bytearray(write_image(tmp_path / "x", random_film(16), format="PNG").read_bytes())
    whole[16:24] = struct.pack(">II", 9000, 9000)
    import zlib

    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    (tmp_path / "y").write_bytes(whole)
    assert "specifies 9000 x 9000 pixels (162,000,000 bytes)" in refusal(tmp_path / "y")


def test_a_damaged_png_is_refused_when_it_is_decoded(tmp_path):
    whole = bytearray(write_image(tmp_path / "x", random_film(17), format="PNG").read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "y").write_bytes(whole)
    assert refusal(tmp_path / "y") == "pixels: its PNG data are damaged: the checksum of the chunk at byte 33 is wrong"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("RGBA", (50, 60)), "an 8-bit colour and alpha PNG; give gray of 8 or 16 bits"),
        (Image.new("1", (50, 60)), "a 1-bit gray PNG; give gray"),
        (Image.new("P", (50, 60)), "a 1-bit palette PNG; give gray"),
        (Image.new("RGB", (50, 60), (1, 2, 3)), "a colour image; expected gray"),
    ],
)
def test_images_that_are_not_gray_are_refused(image, message, tmp_path):
    image.save(tmp_path / "x", format="PNG")
    assert message in refusal(tmp_path / "x")


def test_a_file_of_several_pages_is_refused(tmp_path):
    page = Image.fromarray(random_film(18))
    page.save(tmp_path / "x", format="TIFF", save_all=True, append_images=[page])
    assert "a file of 2 images; expected one" in refusal(tmp_path / "x")


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "the file is empty"), (b"hello", "not a DICOM, PNG, TIFF or JPEG file"), (bytes(500), "not a DICOM")],
)
def test_files_that_are_not_images_are_refused(data, message, tmp_path):
    (tmp_path / "x").write_bytes(data)
    assert message in refusal(tmp_path / "x")


def test_messages_contain_no_personal_data(tmp_path):
    path = write_dicom(tmp_path / "x.dcm", random_film(19), Rows=0, PatientID="1.2.3-secret", StudyDate="20160720")
    for secret in ("Doe", "secret", "20160720"):
        assert secret not in refusal(path)


def test_a_film_is_read_from_memory():
    data = io.BytesIO()
    Image.fromarray(random_film(20)).save(data, format="PNG")
    data.seek(0)
    np.testing.assert_array_equal(open_film(data).read_rows(0, 10), random_film(20)[:10])
