"""The test files of pydicom, and those of the PyPI package pydicom-data: read as by two decoders, or rejected.

A file must be rejected exactly if its header, as pydicom reads it, has one of the obstacles in `obstacles`, and the
reason must name one of them. The table is printed: `pytest -s tests/preprocess/images/test_conformance.py`.
"""

import collections
import importlib.util
import re
import warnings
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless

from tests.preprocess.images.test_sample_table import read

OWN = Path(pydicom.__file__).parent / "data"
STORE = importlib.util.find_spec("data_store")
SETS = {"pydicom": OWN, "pydicom-data": Path(STORE.origin).parent / "data" if STORE else None}
LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
PLUGINS = ("pillow", "pylibjpeg", "pyjpegls")
GDCM_TYPES = {gdcm.PixelFormat.UINT8: np.uint8, gdcm.PixelFormat.UINT16: np.uint16}


def test_files(name):
    """Returns the files of a set, without Python's own."""
    return sorted(path for path in SETS[name].rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))


test_files.__test__ = False


def obstacles(path, dataset):
    """Returns words for the properties of a data set for which its film cannot be used."""
    header = pydicom.dcmread(path, force=True, stop_before_pixels=True)  # also if the pixel data are truncated
    expected = {
        "Rows": range(1, 65536), "SamplesPerPixel": (1,), "PixelRepresentation": (0,), "BitsAllocated": (8, 16),
        "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2"), "NumberOfFrames": (None, 0, 1),
        "RescaleSlope": (None, 1), "RescaleIntercept": (None, 0), "ModalityLUTSequence": (None,),
    }  # fmt: skip
    found = {name for name, values in expected.items() if header.get(name) not in values}
    if "PixelData" not in dataset:
        return found | {"no pixel data", "truncated", "not a DICOM"}
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if syntax in LOSSY_JPEG and codestream_bits(dataset) > 8:
        if "pylibjpeg" not in get_decoder(syntax).available_plugins:
            found.add("of 12 bits")
        elif path.name == "JPEG-lossy.dcm":  # its last scan is invalid
            found.add("cannot be decoded")
    return found


def codestream(dataset):
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def codestream_bits(dataset):
    data = codestream(dataset)
    if data.startswith(b"\xff\x4f\xff\x51"):
        return (data[42] & 0x7F) + 1
    return data[re.search(rb"\xff[\xc0-\xc3\xf7]..", data, re.DOTALL).end()]


def by_plugin(dataset, name):
    samples, _ = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, raw=True, decoding_plugin=name)
    return samples


def oracles(path, dataset):
    """Yields the samples of a file as other decoders read them, and their number of bits."""
    syntax = dataset.file_meta.TransferSyntaxUID
    is_codestream = syntax.is_encapsulated and syntax != RLELossless
    bits = codestream_bits(dataset) if is_codestream else dataset.BitsStored
    if is_codestream:
        for name in set(PLUGINS) & set(get_decoder(syntax).available_plugins):
            if (name, syntax) == ("pillow", JPEGExtended12Bit):
                continue  # it decodes 8 bits only
            yield name, by_plugin(dataset, name), bits
    else:
        yield "pydicom", dataset.pixel_array & ((1 << bits) - 1), bits
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    image = reader.GetImage()
    data = image.GetBuffer().encode("utf-8", "surrogateescape")
    samples = np.frombuffer(data, GDCM_TYPES[image.GetPixelFormat().GetScalarType()])
    yield "gdcm", samples.reshape(image.GetDimension(1), image.GetDimension(0)) & ((1 << bits) - 1), bits


def full_range(samples, bits, inverted):
    """As `files.full_range`, for large films."""
    top = 2**bits - 1
    pixels = (2 * 65535 * samples.astype(np.int64) + top) // (2 * top)
    return 65535 - pixels if inverted else pixels


def kind_of(dataset):
    """Returns the name of the transfer syntax, for the table."""
    if "PixelData" not in dataset:
        return "no image"
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    return syntax.name if syntax else "no transfer syntax"


@pytest.mark.parametrize("name", SETS)
def test_conformance(name):
    if SETS[name] is None:
        pytest.skip("the PyPI package pydicom-data is not installed; `make test-real` installs it")
    table = collections.defaultdict(collections.Counter)
    for path in test_files(name):
        with warnings.catch_warnings(action="ignore"):
            dataset = pydicom.dcmread(path, force=True)
            result = read(path.read_bytes())
            found, row = obstacles(path, dataset), table[kind_of(dataset)]
            if isinstance(result, str):
                named = {word for word in found if word in result}
                assert named, (path.name, result, found)
                row[f"rejected: {min(named, key=result.index)}"] += 1
                continue
            assert not found, (path.name, found)
            count = 0
            for oracle, samples, bits in oracles(path, dataset):
                expected = full_range(samples, bits, dataset.PhotometricInterpretation == "MONOCHROME1")
                # decoders of lossy JPEG may round differently
                apart = 2 * 65535 / (2**bits - 1) if dataset.file_meta.TransferSyntaxUID in LOSSY_JPEG else 0
                np.testing.assert_allclose(result, expected, rtol=0, atol=apart, err_msg=f"{path.name}, {oracle}")
                count += 1
            row[f"in, equal to {count} decoders"] += 1
            # of the decoders of lossless JPEG, GDCM is the only one in the extra dev
            assert count >= 2 or kind_of(dataset).startswith("JPEG Lossless"), path.name
    for kind, row in sorted(table.items()):
        print(f"{name} | {kind} | {sum(row.values())} | {', '.join(f'{row[key]} {key}' for key in sorted(row))}")
    assert any("equal to" in key for row in table.values() for key in row)
