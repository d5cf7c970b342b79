"""Compressed DICOM films that need a decoder of the extra `decoders`, and what is said if it is not installed.

Lossless JPEG is written by `files.jpeg_lossless`, JPEG-LS by pyjpegls. The High-Throughput JPEG 2000 codestream was
written by imagecodecs 2026.3.6 (OpenJPH).
"""

import base64
import io
import itertools
import re
from importlib.metadata import distributions

import numpy as np
import pytest
from jpeg_ls import encode_buffer as encode_jpeg_ls
from PIL import Image
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders import gdcm, pillow, pyjpegls, pylibjpeg

from preprocess.dataset.manifest import library_versions
from tests.preprocess.images import files
from tests.preprocess.images.test_sample_table import M1, check, jpeg_in_blocks, read, samples

HTJ2K_LOSSLESS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.81"
JPEG_LOSSLESS_ANY = "1.2.840.10008.1.2.4.57"
SHAPE = samples(16).shape
HTJ2K = base64.b85decode(
    r"|4;u>04YEK0000W0000W00000000000000W0000W0000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0smY86Cj9?kdTm&kdTm&kdTmw"
    r"h=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00000(f|SflfVEb?e7GKbO68r6F>kH0BrsO2Xp|k9R-"
    r"JU0KfnfKmZj0HZ}o*bO6wf(2fB^Q~<yL6)*q=a2kz9^Qv(IbpS|5qyy<dI{v_vf$X*bzyKA{00pp$q9}@@DCf$0dT@ex04Af!Fc~JpWS9(-"
    r"VKV;xp#XdKgaPcj0Kfn(cmM^|fB*mh000000002_{|b6~dU|?#Z~}b*p6_|jd*1V&_q^vl?|ILA-t(UKyyyRTVT=dAW-uQ8n817XV*%{50sq+"
)  # values[row, column] = (2000 * row + 17 * column) % 65536, 32 x 32 pixels


@pytest.fixture
def only():
    """A function that makes pydicom decode a transfer syntax with the named plugins only."""
    removed = []

    def keep(syntax, *names):
        decoder = get_decoder(syntax)
        for name in decoder.available_plugins:
            if name not in names:
                decoder.remove_plugin(name)
                removed.append((decoder, name))

    yield keep
    for decoder, name in removed:
        decoder.add_plugin(name, (f"pydicom.pixels.decoders.{name}", "_decode_frame"))


@pytest.mark.parametrize("photometric", [M1, b"MONOCHROME2 "], ids=["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [files.JPEG_LOSSLESS, JPEG_LOSSLESS_ANY], ids=["SV1", "process 14"])
@pytest.mark.parametrize("stored", [8, 12, 16])
@pytest.mark.parametrize("precision", [2, 4, 7, 8, 9, 10, 12, 14, 15, 16])
def test_lossless_jpeg(precision, stored, syntax, photometric):
    values = samples(precision)
    header = {"BitsAllocated": 8 if stored == 8 else 16, "BitsStored": stored, "PhotometricInterpretation": photometric}
    data = files.encapsulated([files.jpeg_lossless(values, precision)], syntax, SHAPE, **header)
    check(data, files.full_range(values, precision, photometric == M1))


@pytest.mark.parametrize("stored", [8, 12, 16])
@pytest.mark.parametrize(
    ("plugin", "precision"),
    [*itertools.product(("pyjpegls",), (2, 4, 6, 7, 8, 9, 10, 12, 14, 16)),
     *itertools.product(("gdcm",), (2, 4, 8, 10, 12, 14, 16))],
)  # fmt: skip
def test_jpeg_ls(plugin, precision, stored, only):
    only(files.JPEG_LS, plugin)
    values = samples(precision)
    codestream = bytes(encode_jpeg_ls(values.tobytes(), *SHAPE, 1, precision))
    header = {"BitsAllocated": 8 if stored == 8 else 16, "BitsStored": stored}
    check(files.encapsulated([codestream], files.JPEG_LS, SHAPE, **header), files.full_range(values, precision))


@pytest.mark.parametrize("padding", [b"", b"\0", b"\xff", b"\x20"])
def test_near_lossless_jpeg_ls_is_as_near_as_it_says(padding):
    values = samples(12)
    codestream = bytes(encode_jpeg_ls(values.tobytes(), *SHAPE, 1, 12, lossy_error=3)) + padding
    pixels = read(files.encapsulated([codestream], JPEG_LS_NEAR, SHAPE, BitsStored=12))
    assert not isinstance(pixels, str), pixels
    decoded = (pixels.astype(np.int64) * 4095 + 32767) // 65535
    assert np.abs(decoded - values).max() == 3


def test_high_throughput_jpeg_2000():
    values = np.add.outer(np.arange(32) * 2000, np.arange(32) * 17) % 65536
    check(files.encapsulated([HTJ2K], HTJ2K_LOSSLESS, (32, 32)), files.full_range(values, 16))


def noisy_jpeg():
    file = io.BytesIO()
    Image.fromarray(samples(8)).save(file, "JPEG", quality=40)
    return file.getvalue()


def test_a_lossy_jpeg_has_the_pixels_of_pillow_whatever_is_installed():
    assert {"pillow", "gdcm"} <= set(get_decoder(files.JPEG).available_plugins)
    codestream = noisy_jpeg()
    pixels = np.asarray(Image.open(io.BytesIO(codestream)))
    assert (pixels != samples(8)).any()
    check(files.encapsulated([codestream], files.JPEG, SHAPE, BitsAllocated=8), pixels.astype(np.uint16) * 257)


def test_another_plugin_is_tried_if_the_first_one_fails(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)  # Pillow refuses images of more than twice as many pixels
    values, codestream = jpeg_in_blocks()
    check(files.encapsulated([codestream], files.JPEG, SHAPE, BitsAllocated=8), files.full_range(values, 8))


def test_the_manifest_has_the_versions_of_all_decoders_that_pydicom_can_use():
    needed = {
        re.match("[a-z-]+", dependency)[0].replace("gdcm", "python-gdcm")
        for module in (gdcm, pillow, pyjpegls, pylibjpeg)
        for dependencies in module.DECODER_DEPENDENCIES.values()
        for dependency in dependencies
    }
    assert {"pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg", "python-gdcm"} <= needed
    versions = library_versions()
    installed = {distribution.name.lower().replace("_", "-"): distribution.version for distribution in distributions()}
    assert {name: versions.get(name) for name in needed} == {name: installed.get(name) for name in needed}


EXTRA = "needs a decoder that is not installed; run: pip install 'cbis-ddsm-density[decoders]'"


@pytest.mark.parametrize(
    ("syntax", "codestream", "name"),
    [
        (files.JPEG_LOSSLESS, files.jpeg_lossless(samples(16), 16),
         "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])"),
        (files.JPEG_LS, files.frame_header(SHAPE, 16, 0xF7), "JPEG-LS Lossless Image Compression"),
    ],
)  # fmt: skip
def test_the_extra_is_named_if_no_decoder_is_installed(syntax, codestream, name, only):
    only(syntax)
    check(files.encapsulated([codestream], syntax, SHAPE), f"header: {name} {EXTRA}")


def test_the_extra_is_named_for_high_throughput_jpeg_2000(only):
    only(HTJ2K_LOSSLESS)
    data = files.encapsulated([HTJ2K], HTJ2K_LOSSLESS, (32, 32))
    check(data, f"header: High-Throughput JPEG 2000 Image Compression (Lossless Only) {EXTRA}")


@pytest.mark.parametrize(("syntax", "name"), [(files.JPEG, "JPEG Baseline (Process 1)"),
                                              (files.JPEG_EXTENDED, "JPEG Extended (Process 2 and 4)")])  # fmt: skip
def test_lossy_jpeg_of_12_bits_needs_another_decoder(syntax, name, only):
    only(syntax, "pillow", "gdcm")
    data = files.encapsulated([files.frame_header(SHAPE, 12)], syntax, SHAPE)
    check(data, f"header: {name} of 12 bits needs a decoder that is not installed; convert the film to Explicit VR "
                "Little Endian, or run: pip install pylibjpeg pylibjpeg-libjpeg")  # fmt: skip


@pytest.mark.parametrize(
    ("header", "components", "reason"),
    [
        ({"PixelRepresentation": 1}, 1, "DICOM attribute PixelRepresentation is 1; expected 0 (unsigned)"),
        ({"RescaleSlope": b"2 "}, 1, "DICOM attribute RescaleSlope is not 1; expected 1; give a film whose samples "
                                     "need no conversion"),
        ({}, 3, "its compressed pixel data are 37 x 35 pixels of 3 channels; its header specifies 37 x 35 of one "
                "channel"),
    ],
)  # fmt: skip
def test_no_decoder_is_asked_for_if_the_film_would_be_refused_with_it(header, components, reason, only):
    only(files.JPEG_LS)
    data = files.encapsulated([files.frame_header(SHAPE, 16, 0xF7, components)], files.JPEG_LS, SHAPE, **header)
    check(data, f"header: {reason}")
