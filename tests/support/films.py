"""Writes films and case descriptions to disk, without the readers, writers and resize of this project.

Also computes the expected images in the simplest way: a padded float64 canvas and explicit overlap weights.
"""

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

CALC_COLUMNS = ["patient_id", "breast density", "left or right breast", "image view", "image file path"]
MASS_COLUMNS = ["patient_id", "breast_density", "left or right breast", "image view", "image file path"]


@dataclass(frozen=True)
class Described:
    """A mammogram: its ID and density, from which all columns of a case description follow."""

    mammogram_id: str
    density: str = "2"

    @property
    def patient(self):
        return "_".join(self.mammogram_id.split("_")[1:3])

    @property
    def side(self):
        return self.mammogram_id.split("_")[3]

    @property
    def view(self):
        return self.mammogram_id.split("_")[4]

    @property
    def study(self):
        return f"1.3.6.1.4.1.9590.100.1.2.1{sum(map(ord, self.mammogram_id)):05d}{len(self.mammogram_id)}7"

    @property
    def series(self):
        return f"1.3.6.1.4.1.9590.100.1.2.2{zlib.crc32(self.mammogram_id.encode()):010d}9"

    @property
    def path(self):
        return f"{self.mammogram_id}/{self.study}/{self.series}/000000.dcm"

    @property
    def row(self):
        return [self.patient, self.density, self.side, self.view, self.path]


def write_csv(path, rows, columns=CALC_COLUMNS):
    """Writes a case description. rows: `Described`, or lists of cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *(row.row if isinstance(row, Described) else row for row in rows)])
    return path


def random_film(seed, height=None, width=None, dtype=np.uint16):
    """Returns (H, W) random samples over the whole range of a type."""
    rng = np.random.default_rng(seed)
    height, width = height or int(rng.integers(50, 90)), width or int(rng.integers(40, 70))
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width), dtype=dtype)


def write_dicom(path, samples, syntax=ExplicitVRLittleEndian, **header):
    """Writes (H, W) uint8 or uint16 as a DICOM file; returns its path. header: attributes to add or replace."""
    bits = 8 * samples.itemsize
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientName = "Doe^Jane"
    dataset.Rows, dataset.Columns = samples.shape
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = header.get("BitsStored", bits) - 1
    dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    data = samples.astype(f"<u{samples.itemsize}").tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
    for name, value in header.items():
        setattr(dataset, name, value)
    if syntax == RLELossless:
        dataset.compress(RLELossless, encoding_plugin="pydicom")  # GDCM's encoder can end the process
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_image(path, samples, **options):
    """Writes (H, W) uint8 or uint16, or (H, W, 3) uint8, with Pillow; returns the path. options: of Image.save."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path, **options)
    return path


def as_in_csv(root, film, pixels, name="000000.dcm"):
    return write_dicom(root / film.path.replace("000000.dcm", name), pixels)


def descriptive_folder(film, na="-NA", kind="full mammogram images"):
    return f"CBIS-DDSM/{film.mammogram_id}/07-20-2016-DDSM{na}-{film.study[-5:]}/1.000000-{kind}{na}-{film.series[-5:]}"


LAYOUTS = {
    "as in the CSV": lambda root, film, pixels: as_in_csv(root, film, pixels),
    "CSV, 1-1.dcm": lambda root, film, pixels: as_in_csv(root, film, pixels, "1-1.dcm"),
    "NBIA classic": lambda root, film, pixels: as_in_csv(root / "manifest-1/CBIS-DDSM", film, pixels, "1-1.dcm"),
    "NBIA descriptive": lambda root, film, pixels: write_dicom(root / descriptive_folder(film) / "1-1.dcm", pixels),
    "descriptive without NA": lambda root, film, pixels: write_dicom(
        root / "deep/er" / descriptive_folder(film, na="") / "1-1.dcm", pixels
    ),
    "converted PNG": lambda root, film, pixels: write_image(
        root / f"films/{film.density}_{film.mammogram_id}", pixels, format="PNG"
    ),
    "converted TIFF": lambda root, film, pixels: write_image(
        root / f"films/{film.density}_{film.mammogram_id}", pixels, format="TIFF"
    ),
    "JPEG mirror": lambda root, film, pixels: write_image(
        root / f"jpeg/{film.series}/1-247.jpg", (pixels >> 8).astype(np.uint8), format="JPEG", quality=95
    ),
}
"""Name of a layout -> function (root, film, pixels) that writes a film in this layout and returns its path."""


def decoded(path):
    """Returns the pixels of a file on the full range, (H, W) uint16, read with pydicom or Pillow."""
    data = Path(path).read_bytes()
    if data[128:132] == b"DICM":
        import pydicom

        return pydicom.dcmread(path).pixel_array.astype(np.uint16)
    pixels = np.asarray(Image.open(path))
    return pixels.astype(np.uint16) * 257 if pixels.dtype == np.uint8 else pixels.astype(np.uint16)


def padded(pixels, canvas):
    whole = np.zeros(canvas, pixels.dtype)
    whole[: pixels.shape[0], : pixels.shape[1]] = pixels
    return whole


def overlap(length, out):
    """Returns (out, length) float64: element (k, i) is the share of output cell k that source cell i covers."""
    weights = np.zeros((out, length))
    for k in range(out):
        for i in range(length):
            weights[k, i] = max(0.0, min((k + 1) * length / out, i + 1) - max(k * length / out, i))
    return weights * out / length


def area_reference(pixels, canvas, size):
    """Returns the mean of the rectangle of every output pixel, (h, w) float64, not rounded."""
    return overlap(canvas[0], size[0]) @ padded(pixels, canvas).astype(np.float64) @ overlap(canvas[1], size[1]).T


def nearest_reference(pixels, canvas, size):
    """Returns the padded canvas resized by Pillow with NEAREST, (h, w) uint16."""
    return np.asarray(Image.fromarray(padded(pixels, canvas)).resize(size[::-1], Image.Resampling.NEAREST))


def write_download(root, train, test, layouts):
    """Writes case descriptions to `csv/` and a random film for each mammogram to `images/`, in the layouts in turn."""
    for name, described in (("train", train), ("test", test)):
        write_csv(root / f"csv/{name}.csv", described)
    for number, film in enumerate(train + test):
        LAYOUTS[layouts[number % len(layouts)]](root / "images", film, random_film(number))
