"""DICOM files that are not as the standard says: those whose pixels are certain are read, others get a true reason."""

import io
import struct

import numpy as np
import pydicom
import pytest
from openjpeg.utils import encode_buffer

from preprocess.images.formats import open_film
from tests.preprocess.images import files
from tests.preprocess.images.test_sample_table import check, jpeg_in_blocks, read, samples

FILM = samples(16)
BYTES = samples(8)  # an odd number
SHAPE = FILM.shape
WRITE_ANEW = "write the file anew with the transfer syntax that it has"


def j2k():
    return encode_buffer(FILM.astype("<u2").tobytes(), SHAPE[1], SHAPE[0], 1, 16, False, photometric_interpretation=2)


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT])
@pytest.mark.parametrize("film", [FILM, BYTES], ids=["16 bits", "8 bits, odd"])
@pytest.mark.parametrize(
    "padding", [b"", b"\0", b"\xff", bytes(2), bytes(3), b"\x20" * 10, b"\xff" * 511, bytes(5000), bytes(1 << 20)],
    ids=lambda padding: f"{padding[:1].hex()} x {len(padding)}",
)  # fmt: skip
def test_padding_after_the_pixels_is_accepted(padding, film, syntax):
    check(files.dicom(film, syntax, padding), files.full_range(film, 8 * film.itemsize))


def test_a_file_that_ends_within_its_padding_is_read():
    check(files.dicom(FILM, padding=bytes(2048))[:-1000], files.full_range(FILM, 16))


@pytest.mark.parametrize(
    ("film", "rest"), [(FILM, b"\0\1"), (FILM, bytes(1000) + b"\1"), (FILM, FILM.tobytes()),
                       (FILM[:-1], FILM[-1:].tobytes())],
)  # fmt: skip
def test_other_bytes_after_the_pixels_are_refused(film, rest):
    size = film.size * 2
    check(
        files.dicom(film, padding=rest),
        f"header: its pixel data has {size + len(rest):,} bytes; its header specifies {size:,}, and the rest is not "
        "padding (one repeated byte)",
    )


def test_padding_of_more_than_16_mib_is_refused():
    check(
        files.dicom(FILM, padding=bytes((16 << 20) + 1)),
        "header: its pixel data has 16,779,807 bytes; its header specifies 2,590 and at most 16 MiB of padding are "
        "expected",
    )


@pytest.mark.parametrize("frames", [None, b"", b"0 ", b"1 ", b"01", b"+1", b" 1", b"1\0"])
def test_a_single_frame_whatever_its_number_of_frames(frames):
    check(files.dicom(FILM, NumberOfFrames=frames), files.full_range(FILM, 16))
    check(
        files.encapsulated([files.rle_frame(FILM)], files.RLE, SHAPE, NumberOfFrames=frames), files.full_range(FILM, 16)
    )


@pytest.mark.parametrize(
    ("frames", "found"),
    [(b"2 ", "2"), (b"-1", "a number below 0 or above 65535"), (b"65536 ", "a number below 0 or above 65535"),
     (b"one ", "not a number"), (b"1\\1 ", "not a number"), (b"1.0 ", "not a number")],
)  # fmt: skip
def test_other_numbers_of_frames_are_refused(frames, found):
    reason = f"header: DICOM attribute NumberOfFrames is {found}; expected 1"
    check(files.dicom(FILM, NumberOfFrames=frames), reason)


@pytest.mark.parametrize("frames", [None, b"0 ", b"1 "])
@pytest.mark.parametrize("offsets", [b"", struct.pack("<I", 0)])
@pytest.mark.parametrize(
    ("syntax", "frame"), [(files.RLE, files.rle_frame(FILM)), (files.JPEG_2000, j2k())], ids=["RLE", "JPEG 2000"]
)
def test_a_second_frame_is_noticed(syntax, frame, offsets, frames):
    padded = frame + b"\0" * (len(frame) % 2)
    check(
        files.encapsulated([padded, padded], syntax, SHAPE, offsets, NumberOfFrames=frames),
        "pixels: its pixel data contain more than one frame; expected one",
    )
    table = struct.pack("<II", 0, 8 + len(padded))
    check(
        files.encapsulated([padded, padded], syntax, SHAPE, table, NumberOfFrames=frames),
        "pixels: its pixel data contain 2 frames; expected one",
    )


BARE = {
    "no preamble": lambda data: data[128:],
    "no preamble, no prefix": lambda data: data[132:],
    "no prefix": lambda data: bytes(128) + data[132:],
    "another preamble, no prefix": lambda data: b"\x08\0 text".ljust(128, b".") + data[132:],
    "only the data set": lambda data: data[data.index(b"\x08\0\x05\0") :],
    "preamble, prefix, no file meta information": lambda data: data[:132] + data[data.index(b"\x08\0\x05\0") :],
}


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT])
@pytest.mark.parametrize("kind", BARE)
def test_files_without_prefix_or_file_meta_information_are_read(kind, syntax):
    check(BARE[kind](files.dicom(FILM, syntax)), files.full_range(FILM, 16))


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT])
def test_file_meta_information_without_vrs_is_read(syntax):
    data = files.dicom(FILM, syntax)
    check(data.replace(files.meta(syntax), files.meta(syntax, implicit=True)), files.full_range(FILM, 16))


def test_encapsulated_pixel_data_with_a_length_are_read():
    frame = files.rle_frame(FILM)
    data = files.encapsulated([frame], files.RLE, SHAPE, length=8 + 8 + len(frame) + 8)
    check(data, files.full_range(FILM, 16))


def test_a_compressed_data_set_without_file_meta_information_is_refused():
    data = files.encapsulated([j2k()], files.JPEG_2000, SHAPE)
    check(
        BARE["only the data set"](data),
        "header: its pixel data are compressed (encapsulated), but it contains no transfer syntax; write the file anew "
        "with its own one",
    )


def test_a_bare_big_endian_data_set_is_read():
    data = files.data_set(SHAPE, FILM.astype(">u2").tobytes(), order=">")
    check(data, files.full_range(FILM, 16))


@pytest.mark.parametrize("syntax", [files.BIG_ENDIAN, files.EXPLICIT, None])
def test_a_big_endian_data_set_without_vrs_is_refused(syntax):
    data = files.data_set(SHAPE, FILM.astype(">u2").tobytes(), order=">", implicit=True)
    reason = "header: its data set is big endian and has no VRs; convert the file to Explicit VR Little Endian"
    if syntax == files.EXPLICIT:
        reason = f"header: by its transfer syntax, its data set is little endian, but it is big endian; {WRITE_ANEW}"
    if syntax is None:
        reason = "header: not a DICOM, PNG, TIFF or JPEG file"
    check((files.PREAMBLE + files.meta(syntax) if syntax else b"") + data, reason)


def words(samples):
    """Returns samples of 8 bits as big-endian words of 16 bits, the first sample in the lower byte (PS3.5, 8.1.1)."""
    data = samples.tobytes() + b"\0" * (samples.size % 2)
    return np.frombuffer(data, "<u2").astype(">u2").tobytes()


@pytest.mark.parametrize("padding", [b"", bytes(1), bytes(2), b"\xff" * 777])
def test_big_endian_films_of_16_bits(padding):
    check(files.dicom(FILM, files.BIG_ENDIAN, padding, order=">"), files.full_range(FILM, 16))
    check(files.dicom(FILM, files.BIG_ENDIAN, padding, order=">", pixel_vr="OB"), files.full_range(FILM, 16))


def test_big_endian_films_of_8_bits_are_bytes_or_words():
    for film in (BYTES, BYTES[:, 1:], BYTES[:-1]):
        start = files.PREAMBLE + files.meta(files.BIG_ENDIAN)
        options = {"order": ">", "BitsAllocated": 8}
        data = files.data_set(film.shape, film.tobytes(), pixel_vr="OB", **options)
        check(start + data, files.full_range(film, 8))
        data = start + files.data_set(film.shape, words(film), pixel_vr="OW", **options)
        check(data, files.full_range(film, 8))
        np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(data)).pixel_array, film)


def test_a_big_endian_film_that_ends_within_a_word():
    start = files.PREAMBLE + files.meta(files.BIG_ENDIAN)
    data = start + files.data_set(SHAPE, words(BYTES), pixel_vr="OW", order=">", BitsAllocated=8)
    check(data[:-1], f"pixels: the file ended within row {SHAPE[0] - 1} of {SHAPE[0]}")
    check(data[:-2], "header: its header specifies 37 x 35 pixels of 8 bits (1,295 bytes); the file has only 1,294 "
                     "bytes after its header")  # fmt: skip


def test_big_endian_sequences_are_skipped():
    item = struct.pack(">HHI", 0xFFFE, 0xE000, 8) + struct.pack(">HH2sH", 8, 0x1150, b"UI", 0)
    ends = struct.pack(">HHI", 0xFFFE, 0xE0DD, 0)
    for more in (files.element(0x52000001, "SQ", item, order=">"),
                 files.element(0x52000001, "SQ", item + ends, order=">", length=files.WITHOUT_LENGTH)):  # fmt: skip
        check(files.dicom(FILM, files.BIG_ENDIAN, order=">", more=more), files.full_range(FILM, 16))


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("film", [FILM, BYTES], ids=["16 bits", "8 bits, odd"])
@pytest.mark.parametrize("rest", [b"", b"\0"])
def test_deflated_films(rest, film, implicit):
    check(files.deflated(film, rest, implicit=implicit), files.full_range(film, 8 * film.itemsize))


def test_a_deflated_film_with_padding_or_other_bytes_after_its_pixels():
    pixels = FILM.tobytes()
    start = files.PREAMBLE + files.meta(files.DEFLATED)
    check(start + files.deflate(files.data_set(SHAPE, pixels + bytes(5000))), files.full_range(FILM, 16))
    check(
        start + files.deflate(files.data_set(SHAPE, pixels + b"\0\1")),
        "pixels: its pixel data has 2,592 bytes; its header specifies 2,590, and the rest is not padding (one repeated "
        "byte)",
    )
    check(
        start + files.deflate(files.data_set(SHAPE, pixels + bytes((16 << 20) + 9))),
        "pixels: its pixel data has 16,779,815 bytes; its header specifies 2,590 and at most 16 MiB of padding are "
        "expected",
    )
    check(
        start + files.deflate(files.data_set(SHAPE, pixels[:-2])),
        "pixels: its header specifies 37 x 35 pixels of 16 bits (2,590 bytes); the file has only 2,588 bytes after its "
        "header",
    )
    check(
        start + files.deflate(files.data_set(SHAPE, pixels, length=files.WITHOUT_LENGTH)),
        "header: its transfer syntax is a deflated one, but its pixel data has no length",
    )
    check(start + files.deflate(files.data_set(SHAPE, None)),
          "header: the DICOM file contains no pixel data; it is not an image")  # fmt: skip


def test_damaged_and_endless_deflated_films():
    data = files.deflated(FILM)
    check(data[:-40], "header: its deflated data set is truncated")
    start = files.PREAMBLE + files.meta(files.DEFLATED)
    check(start + b"\x07" + bytes(99), "header: its deflated data set is damaged, or not deflated")
    more = files.element(0x50000001, "OB", bytes(9 << 20))
    check(start + files.deflate(files.data_set(SHAPE, FILM.tobytes(), more=more)),
          "header: its deflated header is longer than 8 MiB")  # fmt: skip
    film = np.random.default_rng(3).integers(0, 256, (3000, 3000)).astype(np.uint8)  # longer than what is read first
    check(files.deflated(film), film.astype(np.uint16) * 257)
    check(files.deflated(film)[:-40], "pixels: its deflated data set is truncated")
    data = files.deflate(files.data_set((60_000, 60_000), bytes(99)))
    check(start + data, "header: its header specifies 60000 x 60000 pixels of 16 bits (7,200,000,000 bytes); the file "
                        f"has only {len(data)} bytes after its header")  # fmt: skip


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT])
def test_the_first_element_shows_whether_there_are_vrs(syntax):
    check(files.dicom(FILM, syntax, implicit=syntax == files.EXPLICIT), files.full_range(FILM, 16))


def test_a_compressed_data_set_in_implicit_vr_is_read():
    data = files.encapsulated([files.rle_frame(FILM)], files.RLE, SHAPE, implicit=True)
    check(data, files.full_range(FILM, 16))


@pytest.mark.parametrize(
    ("syntax", "order", "expected", "found"),
    [
        (files.EXPLICIT, ">", "little endian", "big endian"),
        (files.IMPLICIT, ">", "little endian", "big endian"),
        (files.RLE, ">", "little endian", "big endian"),
        (files.BIG_ENDIAN, "<", "big endian", "little endian"),
        (files.DEFLATED, "<", "deflated", "not deflated"),
    ],
)
def test_a_transfer_syntax_of_another_byte_order_is_refused(syntax, order, expected, found):
    reason = f"header: by its transfer syntax, its data set is {expected}, but it is {found}; {WRITE_ANEW}"
    check(files.dicom(FILM, syntax, order=order), reason)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            files.encapsulated([j2k()], files.EXPLICIT, SHAPE),
            "header: its pixel data are compressed (encapsulated), but its transfer syntax is an uncompressed one; "
            "write the file anew with its own one",
        ),
        (
            files.dicom(FILM, files.JPEG_2000),
            "header: its transfer syntax is JPEG 2000 Image Compression (Lossless Only), but its pixel data are not "
            "encapsulated; write the file anew",
        ),
        (
            files.dicom(FILM, files.RLE),
            "header: its transfer syntax is RLE Lossless, but its pixel data are not encapsulated; write the file anew",
        ),
        (
            files.encapsulated([j2k()], files.JPEG, SHAPE),
            "header: its transfer syntax is JPEG Baseline (Process 1), but its pixel data are JPEG 2000; write the "
            "file anew",
        ),
        (
            files.encapsulated([files.frame_header(SHAPE, 8)], files.JPEG_2000, SHAPE),
            "header: its transfer syntax is JPEG 2000 Image Compression (Lossless Only), but its pixel data are JPEG; "
            "write the file anew",
        ),
        (
            files.encapsulated([files.frame_header(SHAPE, 8)], files.JPEG_LS, SHAPE),
            "header: its transfer syntax is JPEG-LS Lossless Image Compression, but its pixel data are JPEG; write the "
            "file anew",
        ),
        (
            files.encapsulated([files.frame_header(SHAPE, 8, 0xF7)], files.JPEG_LOSSLESS, SHAPE),
            "header: its transfer syntax is JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 "
            "[Selection Value 1]), but its pixel data are JPEG-LS; write the file anew",
        ),
    ],
)  # fmt: skip
def test_a_transfer_syntax_of_another_compression_is_refused(data, reason):
    check(data, reason)


@pytest.mark.parametrize("rest", [b"", b"\0", b"\xff", b"\x20", bytes(9), b"\xff" * 3, b"not an image"])
def test_bytes_after_a_codestream_are_ignored(rest):
    check(files.encapsulated([j2k() + rest], files.JPEG_2000, SHAPE), files.full_range(FILM, 16))
    values, codestream = jpeg_in_blocks()
    check(files.encapsulated([codestream + rest], files.JPEG, values.shape), files.full_range(values, 8))


@pytest.mark.parametrize("cut", [1, 2, 3, 40, 200])
def test_a_codestream_without_its_end_is_refused(cut):
    truncated = "pixel data are truncated or have parts missing"
    for end in (b"", b"\0", b"\x20"):
        assert truncated in read(files.encapsulated([j2k()[:-cut] + end], files.JPEG_2000, SHAPE))
        values, codestream = jpeg_in_blocks()
        assert truncated in read(files.encapsulated([codestream[:-cut] + end], files.JPEG, values.shape))


def test_the_explanations_of_all_plugins_are_kept_without_addresses():
    start = "pixels: its {} pixel data cannot be decoded ({})"
    data = files.encapsulated([files.frame_header(SHAPE, 8, 0xC0)], files.JPEG, SHAPE)
    reason = read(data)
    explanation = "pillow: cannot identify image file <_io.BytesIO object at ...>"
    assert reason.startswith(start.format("JPEG Baseline (Process 1)", explanation)[:-1])
    assert "0x" not in reason
    codestream = j2k()
    coding_style = codestream.index(b"\xff\x52")
    damaged = codestream[: coding_style + 4] + b"\xff" * 4 + codestream[coding_style + 8 :]
    explanation = "pylibjpeg: Error decoding the J2K data: failed to read the header; pillow: broken data stream when "
    explanation += "reading image file"
    data = files.encapsulated([damaged], files.JPEG_2000, SHAPE)
    reason = read(data)
    assert reason.startswith(start.format("JPEG 2000 Image Compression (Lossless Only)", explanation)[:-1])


def test_an_end_mark_in_a_segment_is_not_the_end():
    values, codestream = jpeg_in_blocks()
    comment = b"\xff\xfe\0\x06\xff\xd9\xff\xd8"
    data = files.encapsulated([codestream[:2] + comment + codestream[2:]], files.JPEG, values.shape)
    check(data, files.full_range(values, 8))
    data = files.encapsulated([codestream[:2] + comment + codestream[2:-2]], files.JPEG, values.shape)
    check(data, "pixels: its JPEG Baseline (Process 1) pixel data are truncated or have parts missing")


@pytest.mark.parametrize("implicit", [False, True])
def test_an_object_without_pixel_data(implicit):
    start = files.PREAMBLE + files.meta(files.IMPLICIT if implicit else files.EXPLICIT)
    data = start + files.data_set(SHAPE, None, implicit=implicit)
    reason = "header: the DICOM file contains no pixel data; it is not an image"
    check(data, reason)
    check(start, reason)
    truncated = "header: the DICOM file is truncated: it ends within an element before any pixel data"
    for cut in (1, 2, 5, 9):
        check(data[:-cut], truncated)
    check(data + files.element(0x00400555, "LO", b"12345678", implicit)[:-3], truncated)


@pytest.mark.parametrize("tag", [0x7FE00008, 0x7FE00009])
def test_floating_point_pixel_data(tag):
    data = files.PREAMBLE + files.meta(files.EXPLICIT) + files.data_set(SHAPE, bytes(99), pixel_tag=tag)
    check(data, "header: its pixel data are floating-point numbers; expected integers")


NOT_SUPPORTED = {
    "1.2.840.10008.1.2.1.98": "Encapsulated Uncompressed Explicit VR Little Endian",
    "1.2.840.10008.1.2.4.52": "JPEG Extended (Process 3 and 5)",
    "1.2.840.10008.1.2.4.66": "JPEG Lossless, Hierarchical (Process 29)",
    "1.2.840.10008.1.2.4.94": "JPIP Referenced",
    "1.2.840.10008.1.2.4.93": "JPEG 2000 Part 2 Multi-component Image Compression",
    "1.2.840.10008.1.2.4.100": "MPEG2 Main Profile / Main Level",
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.204": "JPIP HTJ2K Referenced",
    "1.2.840.10008.1.2.6.1": "RFC 2557 MIME encapsulation",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
    "1.2.840.10008.1.20": "Papyrus 3 Implicit VR Little Endian",
}


@pytest.mark.parametrize("syntax", NOT_SUPPORTED)
def test_retired_new_and_video_transfer_syntaxes_are_named(syntax):
    data = files.encapsulated([b"\0\0"], syntax, SHAPE)
    check(data, f"header: {NOT_SUPPORTED[syntax]} is not supported; convert it to Explicit VR Little Endian")


@pytest.mark.parametrize("syntax", ["1.2.3.4", "1.2.840.10008.1.2.4.999", "1.2.840.10008.5.1.4.1.1.7", "DOE^JANE", ""])
def test_other_transfer_syntaxes_are_not_quoted(syntax, recwarn):
    data = files.encapsulated([b"\0\0"], syntax, SHAPE)
    check(data, "header: DICOM does not define its transfer syntax; convert the file to Explicit VR Little Endian")
    assert not recwarn.list


def test_high_throughput_jpeg_2000_and_jp2_files_are_known():
    data = files.encapsulated([b"\0\0"], "1.2.840.10008.1.2.4.201", SHAPE)
    reason = "header: its compressed pixel data do not begin with an image size; expected a codestream (PS3.5, 8.2)"
    check(data, reason)
    jp2 = files.encapsulated([b"\0\0\0\x0cjP  \r\n\x87\n" + j2k()], files.JPEG_2000, SHAPE)
    check(jp2, reason.replace("do not begin with an image size", "are a JP2 file"))


@pytest.mark.parametrize(
    ("header", "components", "reason"),
    [
        ({"PixelRepresentation": 1}, 1, "DICOM attribute PixelRepresentation is 1; expected 0 (unsigned)"),
        ({"SamplesPerPixel": 3}, 3, "DICOM attribute SamplesPerPixel is 3; expected 1"),
        ({"PhotometricInterpretation": b"RGB "}, 1, "DICOM attribute PhotometricInterpretation is RGB; expected "
                                                    "MONOCHROME1 or MONOCHROME2"),
        ({"NumberOfFrames": b"4 "}, 1, "DICOM attribute NumberOfFrames is 4; expected 1"),
        ({}, 3, "its compressed pixel data are 37 x 35 pixels of 3 channels; its header specifies 37 x 35 of one "
                "channel"),
    ],
)  # fmt: skip
def test_the_layout_is_checked_before_the_plugin(header, components, reason):
    data = files.encapsulated([files.frame_header(SHAPE, 16, 0xF7, components)], files.JPEG_LS, SHAPE, **header)
    check(data, f"header: {reason}")


def test_the_files_of_this_test_are_as_pydicom_reads_them():
    """A check of the writer in `files`."""
    for syntax in (files.EXPLICIT, files.IMPLICIT):
        np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(files.dicom(FILM, syntax))).pixel_array, FILM)
    data = files.encapsulated([files.rle_frame(FILM)], files.RLE, SHAPE)
    np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(data)).pixel_array, FILM)


def test_native_and_compressed_films_say_which_they_are():
    assert open_film(io.BytesIO(files.dicom(FILM))).is_native
    assert not open_film(io.BytesIO(files.encapsulated([j2k()], files.JPEG_2000, SHAPE))).is_native
