"""Films with random combinations of container, bits, sign, byte order, padding and elements of the header.

Each is read with the pixels that were written, or rejected with a reason that names one of its obstacles. The full form
(`FAULTS=full`) tests 10,000 films of other combinations each time, the short form always the same 500.
"""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openjpeg.utils import encode_buffer

from tests.faults import FULL
from tests.preprocess.images import files
from tests.preprocess.images.test_sample_table import read

SMALLEST_JPEG_2000 = 32  # pixels; the encoder writes no smaller image
UNCOMPRESSED = ("explicit", "implicit", "big endian", "deflated", "no preamble", "other VRs")
COMPRESSED = ("RLE", "JPEG 2000", "lossless JPEG")
RASTER = ("PNG", "TIFF", "big-endian TIFF", "BigTIFF")


def mostly(usual, *others):
    """Chooses a usual value in most films."""
    return st.sampled_from([usual] * 40 + list(others))


def samples(shape, bits, seed):
    values = np.random.default_rng(seed).integers(0, 2**bits, shape)
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


@st.composite
def dicom_films(draw):
    """Returns a film, its pixels and its obstacles: words of which the reason must contain one."""
    container = draw(st.sampled_from(UNCOMPRESSED + COMPRESSED))
    allocated = draw(mostly(draw(st.sampled_from((8, 16))), 1, 12, 32))
    item = 8 if allocated <= 8 else 16
    stored = draw(mostly(draw(st.integers(1, item)), 0, item + 1))
    photometric = draw(mostly(draw(st.sampled_from(("MONOCHROME1", "MONOCHROME2"))), "RGB", "PALETTE COLOR"))
    black = 2**stored - 1 if photometric == "MONOCHROME1" else 0
    shape_value = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}.get(photometric)
    header = {
        "BitsAllocated": allocated,
        "BitsStored": stored,
        "HighBit": draw(mostly(stored - 1, stored, 15 - stored)) % 65536,
        "PhotometricInterpretation": photometric.encode() + b" " * (len(photometric) % 2),
        "SamplesPerPixel": draw(mostly(1, 0, 3)),
        "PixelRepresentation": draw(mostly(0, 1)),
        "NumberOfFrames": draw(mostly(draw(st.sampled_from((None, b"", b"0 ", b"1 "))), b"2 ", b"x ")),
        "RescaleSlope": draw(mostly(draw(st.sampled_from((None, b"", b"1 ", b"1.0 "))), b"2 ", b"0.5 ")),
        "RescaleIntercept": draw(mostly(draw(st.sampled_from((None, b"0 ", b"-0.0"))), b"-1024 ")),
        "PixelPaddingValue": draw(mostly(draw(st.sampled_from((None, black))), (black + 1) % 65536)),
        "PresentationLUTShape": draw(mostly(draw(st.sampled_from((None, shape_value))), "LIN OD", "IDENTITY")),
    }
    if (shape := header["PresentationLUTShape"]) is not None:
        header["PresentationLUTShape"] = shape.encode()
    obstacles = {name for name, is_wrong in {
        "BitsAllocated": allocated not in (8, 16), "BitsStored": not 1 <= stored <= item,
        "HighBit": header["HighBit"] != stored - 1,
        "PhotometricInterpretation": not photometric.startswith("MONO"),
        "SamplesPerPixel": header["SamplesPerPixel"] != 1, "PixelRepresentation": header["PixelRepresentation"] == 1,
        "NumberOfFrames": header["NumberOfFrames"] in (b"2 ", b"x "),
        "RescaleSlope": header["RescaleSlope"] in (b"2 ", b"0.5 "),
        "RescaleIntercept": header["RescaleIntercept"] == b"-1024 ",
        "PresentationLUTShape": shape not in (None, shape_value),
    }.items() if is_wrong}  # fmt: skip
    bits = min(max(stored, 1), item)
    if container in COMPRESSED[1:]:
        bits = draw(st.integers(2, 16))
    if header["PixelPaddingValue"] not in (None, 2**bits - 1 if photometric == "MONOCHROME1" else 0):
        obstacles.add("PixelPaddingValue")
    size = st.integers(SMALLEST_JPEG_2000, 40) if container == "JPEG 2000" else st.integers(1, 40)
    values = samples((draw(size), draw(size)), bits, draw(st.integers(0, 99)))
    padding = draw(mostly(draw(st.sampled_from((b"", b"\0", b"\xff" * 3, b" " * 1000))), b"\1\2"))
    is_codestream = container in COMPRESSED[1:]
    if padding == b"\1\2" and container not in COMPRESSED:
        obstacles.add("is not padding")
    stored_values = values if is_codestream else values.astype(f"u{item // 8}")
    return (
        _dicom(container, stored_values, bits, padding, header),
        values,
        bits,
        photometric == "MONOCHROME1",
        obstacles,
    )


def _dicom(container, values, bits, padding, header):
    if container == "RLE":
        return files.encapsulated([files.rle_frame(values) + padding], files.RLE, values.shape, **header)
    if container == "JPEG 2000":
        data = values.astype(f"<u{values.itemsize}").tobytes()
        height, width = values.shape
        codestream = encode_buffer(data, width, height, 1, bits, False, photometric_interpretation=2)
        return files.encapsulated([codestream + padding], files.JPEG_2000, values.shape, **header)
    if container == "lossless JPEG":
        codestream = files.jpeg_lossless(values, bits)
        return files.encapsulated([codestream + padding], files.JPEG_LOSSLESS, values.shape, **header)
    if container == "deflated":
        data = files.data_set(values.shape, values.astype(f"<u{values.itemsize}").tobytes() + padding, **header)
        return files.PREAMBLE + files.meta(files.DEFLATED) + files.deflate(data)
    if container == "big endian":
        # of 8 bits, as bytes, not as words
        options = {"order": ">", "pixel_vr": "OB" if header["BitsAllocated"] == 8 else "OW"}
        return files.dicom(values, files.BIG_ENDIAN, padding, **options, **header)
    data = files.dicom(values, files.IMPLICIT if container == "implicit" else files.EXPLICIT, padding,
                       **header | ({"implicit": True} if container == "other VRs" else {}))  # fmt: skip
    return data[132:] if container == "no preamble" else data


@st.composite
def raster_films(draw):
    """As `dicom_films`, of PNG and TIFF."""
    container = draw(st.sampled_from(RASTER))
    depth = draw(mostly(draw(st.sampled_from((2, 4, 8, 16) if container == "PNG" else (8, 16))), 1))
    values = samples((draw(st.integers(1, 40)), draw(st.integers(1, 40))), depth, draw(st.integers(0, 99)))
    rest = draw(st.sampled_from((b"", b"\0", b"text" * 100)))
    if container == "PNG":
        kind = draw(mostly(0, 3, 4))
        shown = np.repeat(values[..., None], 2, axis=2) if kind == 4 else values
        obstacles = {"PNG"} if kind or depth == 1 else set()
        return files.png(shown % 16 if kind == 3 else shown, depth, kind) + rest, values, depth, False, obstacles
    order = ">" if container == "big-endian TIFF" else "<"
    photometric = draw(mostly(draw(st.sampled_from((0, 1))), 3, None))
    sample_format = draw(mostly(draw(st.sampled_from((None, 1))), 2, 3))
    fill_order = draw(mostly(draw(st.sampled_from((None, 1))), 2)) if depth == 16 else None
    more = {339: sample_format, 266: fill_order}
    data = files.tiff(values, order, photometric, depth, big=container == "BigTIFF", more=more)
    obstacles = {name for name, is_wrong in {
        "1-bit": depth == 1, "palette": photometric == 3, "no PhotometricInterpretation": photometric is None,
        "SampleFormat": sample_format in (2, 3), "FillOrder": fill_order == 2,
        "WhiteIsZero": photometric == 0 and depth == 16 and order == ">",
    }.items() if is_wrong}  # fmt: skip
    return data + rest, values, depth, photometric == 0, obstacles


@settings(
    max_examples=10_000 if FULL else 500, derandomize=not FULL, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.one_of(dicom_films(), raster_films()))
def test_random_films_have_their_pixels_or_a_true_reason(film):
    data, values, bits, inverted, obstacles = film
    result = read(data)
    if obstacles:
        assert isinstance(result, str), obstacles
        assert any(word in result for word in obstacles), (result, obstacles)
    else:
        assert not isinstance(result, str), result
        np.testing.assert_array_equal(result, files.full_range(values, bits, inverted))
