"""Several files of one mammogram: a readable one is taken, and equal files must contain the same pixels."""

import numpy as np
import pytest

from tests.pipelines.test_preprocess import TEST, TRAIN, omissions, read_table, write_films
from tests.support.films import LAYOUTS, area_reference, as_in_csv, decoded, random_film, write_dicom, write_image

FILM = TRAIN[0]
CANVAS = ("--canvas", "100x100")
RLE = "1.2.840.10008.1.2.5"


def source(out):
    """Returns the file that was taken; the image must be its area mean on the canvas."""
    (row,) = [row for row in read_table(out) if row["name"].endswith(FILM.mammogram_id)]
    return row["source_file"]


def image_of(out):
    return decoded(out / f"small_train/{FILM.density}_{FILM.mammogram_id}.png")


def run(job, tmp_path, *words):
    status, output, out = job("--max_rejected", "0.1", *CANVAS, *words)
    assert status == 0, output
    assert "1 further files of these mammograms" in output
    return out


@pytest.fixture
def copy(tmp_path):
    """Removes the film; returns a function that writes one file of it below a folder."""
    write_films(tmp_path)[FILM.mammogram_id].unlink()

    def write(folder, pixels, layout="as in the CSV"):
        return LAYOUTS[layout](tmp_path / "images" / folder, FILM, pixels)

    return write


@pytest.mark.parametrize(("damaged", "whole"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("damage", ["cut", "empty", "other", "compressed data"])
@pytest.mark.parametrize("method", ["area", "nearest"])
def test_a_damaged_copy_is_passed_over(damaged, whole, damage, method, copy, job, tmp_path):
    pixels = random_film(5, 60, 50)
    path = copy(damaged, pixels)
    if damage == "compressed data":  # the header is sound
        write_dicom(path, pixels, RLE)
        data = path.read_bytes()
        path.write_bytes(data[:-2000] + b"\x7f" * 2000)
    else:
        data = path.read_bytes()
        path.write_bytes({"cut": data[:-100], "empty": b"", "other": b"<html>" * 100}[damage])
    expected = copy(whole, pixels)
    out = run(job, tmp_path, "--resample", method)
    assert source(out) == expected.relative_to(tmp_path / "images").as_posix()
    assert omissions(out) == []
    if method == "area":
        assert np.abs(image_of(out) - area_reference(pixels, (100, 100), (128, 95))).max() <= 0.5 + 1e-7


def test_a_jpeg_is_taken_if_the_dicom_file_is_damaged(copy, job, tmp_path):
    pixels = random_film(5, 60, 50)
    copy("a", pixels).write_bytes(b"x")
    jpeg = copy("b", pixels, "JPEG mirror")
    out = run(job, tmp_path)
    assert source(out) == jpeg.relative_to(tmp_path / "images").as_posix()
    assert np.abs(image_of(out) - area_reference(decoded(jpeg), (100, 100), (128, 95))).max() <= 0.5 + 1e-7


@pytest.mark.parametrize("syntax", [None, RLE])
def test_equal_files_with_the_same_pixels(syntax, copy, job, tmp_path):
    """One of them with another header or encoding."""
    pixels = random_film(5, 60, 50)
    first, second = copy("a", pixels), copy("b", pixels)
    write_dicom(second, pixels, **({"syntax": syntax} if syntax else {}), PatientName="Roe^Jane")
    assert first.read_bytes() != second.read_bytes()
    out = run(job, tmp_path)
    assert source(out) == first.relative_to(tmp_path / "images").as_posix()


@pytest.mark.parametrize("names", [("000000.dcm", "1-1.dcm"), ("left.dcm", "right.dcm")])
@pytest.mark.parametrize("changed", ["one sample", "the size"])
def test_equal_files_with_different_pixels_are_rejected(names, changed, copy, job, tmp_path):
    pixels = random_film(5, 60, 50)
    other = pixels.copy()
    other[30, 30] ^= 1
    other = other if changed == "one sample" else pixels[:-1]
    paths = [
        as_in_csv(tmp_path / "images", FILM, film, name) for film, name in zip((pixels, other), names, strict=True)
    ]
    out = run(job, tmp_path)
    (line,) = omissions(out)
    named = ", ".join(path.relative_to(tmp_path / "images").as_posix() for path in paths)
    assert (line["case"], line["stage"]) == (FILM.mammogram_id, "pixels")
    assert line["reason"] == f"2 files with different pixels: {named}; leave the right one"


def test_a_png_beside_the_dicom_file_is_not_compared(copy, job, tmp_path):
    pixels = random_film(5, 60, 50)
    dicom = copy("z", pixels)
    write_image(tmp_path / f"images/a/{FILM.mammogram_id}.png", (pixels >> 8).astype(np.uint8))
    assert source(run(job, tmp_path)) == dicom.relative_to(tmp_path / "images").as_posix()


def test_a_jpeg_with_another_name_is_not_preferred_to_a_png(copy, job, tmp_path):
    pixels = random_film(5, 60, 50)
    write_image(tmp_path / f"images/a/{FILM.series}/film", (pixels >> 8).astype(np.uint8), format="JPEG")
    png = write_image(tmp_path / f"images/b/{FILM.mammogram_id}.png", pixels)
    assert source(run(job, tmp_path)) == png.relative_to(tmp_path / "images").as_posix()


def test_a_dicom_file_whose_preamble_is_that_of_a_tiff_is_a_dicom_file(copy, job, tmp_path):
    """PS3.10, 7.1, allows any content in the preamble."""
    pixels = random_film(5, 60, 50)
    dicom = copy("z", pixels)
    data = dicom.read_bytes()
    dicom.write_bytes(b"II*\0" + data[4:])
    write_image(tmp_path / f"images/a/{FILM.mammogram_id}.png", (pixels >> 8).astype(np.uint8))
    assert source(run(job, tmp_path)) == dicom.relative_to(tmp_path / "images").as_posix()


def test_no_readable_file(copy, job, tmp_path):
    for folder in "ab":
        copy(folder, random_film(5, 60, 50)).write_bytes(b"")
    (line,) = omissions(run(job, tmp_path))
    assert line["reason"] == (
        f"none of its 2 files can be read: a/{FILM.path}: the file is empty; b/{FILM.path}: the file is empty"
    )
    assert len(TEST) > 0
