"""Reads films with pydicom and Pillow alone, in another process, because damaged files can crash them too."""

import concurrent.futures
import io
import multiprocessing
import re
import warnings
from concurrent.futures.process import BrokenProcessPool

import numpy as np

LARGEST = 100_000  # pixels; larger films are not compared, which would take too long


def references(files, jpeg_decoder=""):
    """Yields for each file's bytes (H, W) uint16 on the full range; None if pydicom or Pillow cannot read it.

    Args:
        jpeg_decoder: pydicom's name of the decoder of baseline JPEG; its first one if empty. Decoders of a damaged
            JPEG make different pixels from it.
    """
    pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    for data in files:
        try:
            yield pool.submit(reference, data, jpeg_decoder).result()
        except BrokenProcessPool:
            pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            yield None
    pool.shutdown()


def reference(data, jpeg_decoder):
    with warnings.catch_warnings(action="ignore"):
        try:
            return by_pydicom(data, jpeg_decoder) if data[128:132] == b"DICM" else by_pillow(data)
        except Exception:  # noqa: BLE001  # damaged files raise many types
            return None


def by_pydicom(data, jpeg_decoder):
    import pydicom
    from pydicom.uid import JPEG2000TransferSyntaxes, JPEGBaseline8Bit, JPEGTransferSyntaxes

    if data.count(b"\xe0\x7f\x10\0") > 1:
        return None  # two elements, which DICOM forbids: this project reads the first one, pydicom the last
    dataset = pydicom.dcmread(io.BytesIO(data))
    if dataset.Rows * dataset.Columns > LARGEST:
        return None
    if dataset.file_meta.TransferSyntaxUID in (*JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes):
        bits = codestream_bits(dataset.PixelData)
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (16 if bits > 8 else 8), bits, bits - 1
    if dataset.file_meta.TransferSyntaxUID == JPEGBaseline8Bit and jpeg_decoder:
        dataset.pixel_array_options(decoding_plugin=jpeg_decoder)
    samples = dataset.pixel_array.astype(np.int64) & ((1 << dataset.BitsStored) - 1)
    top = (1 << dataset.BitsStored) - 1
    pixels = np.floor(samples * 65535 / top + 0.5).astype(np.uint16)
    return 65535 - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels


def codestream_bits(pixel_data):
    """Returns the precision of the first codestream, which is that of the samples whatever the header says."""
    from pydicom.encaps import generate_frames

    codestream = next(generate_frames(pixel_data, number_of_frames=1))
    if codestream.startswith(b"\xff\x4f\xff\x51"):
        return (codestream[42] & 0x7F) + 1
    return codestream[re.search(rb"\xff[\xc0-\xc3]..", codestream, re.DOTALL).end()]


def by_pillow(data):
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > LARGEST:
            return None
        pixels = np.asarray(image)
        white_is_zero = image.format == "TIFF" and image.tag_v2.get(262) == 0 and pixels.dtype != np.uint8
    pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
    pixels = pixels.astype(np.uint16) * (257 if pixels.dtype == np.uint8 else 1)
    return 65535 - pixels if white_is_zero else pixels
