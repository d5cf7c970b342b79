import io

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from preprocess.images.dicom.acquisition import is_digital_mammogram
from tests.support.films import random_film, write_dicom

DIGITAL = "1.2.840.10008.5.1.4.1.1.1.2"
CLASSES = {
    "1.2.840.10008.5.1.4.1.1.7": False,  # Secondary Capture, as in CBIS-DDSM
    "1.2.840.10008.5.1.4.1.1.1": False,  # Computed Radiography
    DIGITAL: True,
    f"{DIGITAL}.1": True,
    "1.2.840.10008.5.1.4.1.1.13.1.3": True,
}


def is_digital(data):
    return is_digital_mammogram(io.BytesIO(data), len(data))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("sop_class", CLASSES)
def test_the_sop_class_is_read(tmp_path, syntax, sop_class):
    path = write_dicom(tmp_path / "film.dcm", random_film(0), syntax, SOPClassUID=sop_class)
    assert is_digital(path.read_bytes()) == CLASSES[sop_class]


def test_big_endian_and_a_file_without_meta_information(tmp_path):
    dataset = pydicom.dcmread(write_dicom(tmp_path / "film.dcm", random_film(0), SOPClassUID=DIGITAL))
    dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(tmp_path / "big.dcm", dataset, implicit_vr=False, little_endian=False)
    assert is_digital((tmp_path / "big.dcm").read_bytes())
    bare = (tmp_path / "film.dcm").read_bytes()
    assert is_digital(bare[bare.index(b"\x08\0\x16\0") :])


def test_other_formats_and_films_without_a_class(tmp_path):
    assert not is_digital(b"\x89PNG\r\n\x1a\n" + bytes(200))
    path = write_dicom(tmp_path / "film.dcm", np.ones((3, 3), np.uint16))
    dataset = pydicom.dcmread(path)
    del dataset.SOPClassUID
    dataset.save_as(tmp_path / "none.dcm", enforce_file_format=False)
    assert not is_digital((tmp_path / "none.dcm").read_bytes())
