"""Writes synthetic films, crops and masks as DICOM files, in the folders that the NBIA Data Retriever makes today."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from pipelines.sample.descriptions import uid
from preprocess.files import storage

FULL, CROP, MASK = "full mammogram images", "cropped images", "ROI mask images"
_STUDY_DATE = "07-20-2016"


def descriptive_path(folder: str, study: str, series: str, description: str, number: int = 1) -> str:
    """Returns the path of an image below the root of a download in the descriptive layout."""
    folders = f"{_STUDY_DATE}-DDSM-NA-{study[-5:]}/1.000000-{description}-NA-{series[-5:]}"
    return f"CBIS-DDSM/{folder}/{folders}/1-{number}.dcm"


def write_dicom(path: str, pixels: np.ndarray, patient_id: str, study: str, series: str, description: str) -> None:
    """Writes a Secondary Capture image: MONOCHROME2, uncompressed, unsigned.

    Args:
        pixels: (height, width) uint8 or uint16.
    """
    bits = 8 * pixels.itemsize
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = uid(series, path.rpartition("/")[2])
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.Modality, dataset.BodyPartExamined = "MG", "BREAST"
    dataset.PatientID = patient_id  # as in the real files: the mammogram ID, or the folder of a crop
    dataset.PatientName = "SYNTHETIC"
    dataset.ImageComments = "Synthetic image made by a program; it shows no person."
    dataset.SeriesDescription = description
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = bits - 1, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    data = pixels.astype(f"<u{pixels.itemsize}", copy=False).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with storage.open_for_writing(path) as stream:
        dataset.save_as(stream, enforce_file_format=True)
