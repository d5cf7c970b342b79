"""Small intact films of every format and encoding, for mutations."""

import io

import numpy as np
import pydicom
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from tests.preprocess.images import files
from tests.preprocess.images.test_formats import plain_tiff
from tests.support.films import random_film, write_dicom

HEIGHT, WIDTH = 40, 34  # the JPEG 2000 encoder needs at least 32


def samples(dtype=np.uint16):
    """Returns (40, 34) samples; one half is smooth, so that it can be compressed."""
    pixels = random_film(31, HEIGHT, WIDTH, dtype)
    pixels[:, : WIDTH // 2] = np.arange(HEIGHT)[:, None] * (6 if dtype == np.uint8 else 1600)
    return pixels


def write_good_films(folder):
    """Returns {name: bytes of the file} with one film of each kind. `folder` is used for temporary files."""
    films = {}
    for name, syntax, dtype, header in (
        ("explicit", ExplicitVRLittleEndian, np.uint16, {}),
        ("implicit", ImplicitVRLittleEndian, np.uint16, {}),
        ("bytes", ExplicitVRLittleEndian, np.uint8, {}),
        ("twelve bits", ExplicitVRLittleEndian, np.uint16, {"BitsStored": 12}),
        ("inverted", ExplicitVRLittleEndian, np.uint16, {"PhotometricInterpretation": "MONOCHROME1"}),
        ("sequences", ExplicitVRLittleEndian, np.uint16, {"ReferencedSeriesSequence": nested(4)}),
        ("implicit sequences", ImplicitVRLittleEndian, np.uint16, {"ReferencedSeriesSequence": nested(4)}),
        ("RLE", RLELossless, np.uint16, {}),
        ("RLE bytes", RLELossless, np.uint8, {}),
    ):
        films[f"DICOM {name}"] = write_dicom(folder / "x.dcm", samples(dtype), syntax, **header).read_bytes()
    films["DICOM with padding"] = files.dicom(samples(), padding=bytes(2000))
    films["DICOM JPEG 2000"] = compressed(folder, JPEG2000Lossless)
    films["DICOM JPEG 2000 of more bits"] = compressed(folder, JPEG2000Lossless, BitsStored=12, HighBit=11)
    films["DICOM fragments"] = in_fragments(folder)
    films["DICOM JPEG"] = encapsulated(folder, [image(np.uint8, format="JPEG")])
    for name, dtype, options in (
        ("PNG", np.uint16, {"format": "PNG"}),
        ("PNG bytes", np.uint8, {"format": "PNG"}),
        ("PNG text", np.uint8, {"format": "PNG", "pnginfo": png_text()}),
        ("TIFF", np.uint16, {"format": "TIFF"}),
        ("TIFF LZW", np.uint16, {"format": "TIFF", "compression": "tiff_lzw"}),
        ("TIFF deflate", np.uint8, {"format": "TIFF", "compression": "tiff_adobe_deflate"}),
        ("TIFF packbits", np.uint16, {"format": "TIFF", "compression": "packbits"}),
        ("TIFF old deflate", np.uint16, {"format": "TIFF", "compression": "tiff_deflate"}),
        ("JPEG", np.uint8, {"format": "JPEG", "comment": b"a comment"}),
        ("JPEG progressive", np.uint8, {"format": "JPEG", "progressive": True}),
    ):
        films[name] = image(dtype, **options)
    films["TIFF big endian"] = plain_tiff(samples(), 1, ">")
    films["TIFF white is zero"] = plain_tiff(samples(), 0)
    return films


def films_of_other_encodings():
    """Returns {name: bytes of the file} with DICOM films that are not encoded as most are, or as they say."""
    return {
        "DICOM of another transfer syntax": files.dicom(samples(), files.IMPLICIT, implicit=False),
        "DICOM big endian": files.dicom(samples(), files.BIG_ENDIAN, order=">"),
        "DICOM deflated": files.deflated(samples()),
    }


def image(dtype, **options):
    """Returns the bytes of an image file. options: of Image.save."""
    data = io.BytesIO()
    Image.fromarray(samples(dtype)).save(data, **options)
    return data.getvalue()


def png_text():
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a title")
    text.add_text("Comment", "compressed " * 20, zip=True)
    return text


def nested(depth):
    """Returns a sequence that contains `depth` more sequences, each in the one before, without lengths."""
    item = Dataset()
    item.StudyDescription = "deep"
    if depth:
        item.ReferencedSeriesSequence = nested(depth - 1)
        item["ReferencedSeriesSequence"].is_undefined_length = True
        item.is_undefined_length_sequence_item = depth % 2 == 0
    return Sequence([item])


def compressed(folder, syntax, **header):
    """Returns a compressed DICOM film. header: attributes that are replaced afterwards."""
    dataset = pydicom.dcmread(write_dicom(folder / "x.dcm", samples()))
    dataset.compress(syntax, encoding_plugin="pylibjpeg")
    for name, value in header.items():
        setattr(dataset, name, value)
    return saved(dataset)


def in_fragments(folder):
    """Returns a DICOM file with RLE pixel data in three fragments, without an offset table."""
    dataset = pydicom.dcmread(write_dicom(folder / "x.dcm", samples(), RLELossless))
    (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([frame], fragments_per_frame=3, has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    return saved(dataset)


def encapsulated(folder, frames, syntax=JPEGBaseline8Bit, dtype=np.uint8, has_bot=True):
    """Returns a DICOM file whose pixel data are these codestreams, or fragments of one codestream."""
    dataset = pydicom.dcmread(write_dicom(folder / "x.dcm", samples(dtype)))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pydicom.encaps.encapsulate(frames, has_bot=has_bot)
    dataset["PixelData"].is_undefined_length = True
    return saved(dataset)


def saved(dataset):
    data = io.BytesIO()
    dataset.save_as(data, enforce_file_format=True)
    return data.getvalue()
