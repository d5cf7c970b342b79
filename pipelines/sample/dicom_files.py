"""Writes synthetic films, crops and masks as DICOM files, in the folders that the NBIA Data Retriever makes today.

A file has the elements of the real ones, in the same transfer syntax and with the pixel data at its end, and one more:
a comment which says that the image is synthetic.
"""

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ImplicitVRLittleEndian, SecondaryCaptureImageStorage

from pipelines.sample.descriptions import uid
from preprocess.files import storage

FULL, CROP, MASK = "full mammogram images", "cropped images", "ROI mask images"
COMMENT = "Synthetic image made by a program; it shows no person. "  # of an even length, as DICOM requires
LARGEST_HEADER = 1280
"""More bytes than the header of a film of CBIS-DDSM has with the comment; real headers have 978 to 1,094 bytes."""
_YEAR, _MONTH, _DAY = "2016", "07", "20"
_PIXEL_DATA_HEADER = 8  # bytes: tag and length


def descriptive_path(folder: str, study: str, series: str, description: str, number: int = 1) -> str:
    """Returns the path of an image below the root of a download in the descriptive layout."""
    folders = f"{_MONTH}-{_DAY}-{_YEAR}-DDSM-NA-{study[-5:]}/1.000000-{description}-NA-{series[-5:]}"
    return f"CBIS-DDSM/{folder}/{folders}/1-{number}.dcm"


def write_dicom(
    path: str,
    pixels: np.ndarray,
    patient_id: str,
    study: str,
    series: str,
    description: str,
    side: str = "LEFT",
    view: str = "CC",
    total_bytes: int | None = None,
) -> None:
    """Writes a Secondary Capture image: MONOCHROME2, uncompressed, unsigned.

    Args:
        pixels: (height, width) uint8 or uint16.
        patient_id: as in the real files: the mammogram ID, or the folder of a crop.
        total_bytes: size of the file. The comment is padded with spaces to reach it: an even number, at least that of
            the pixels and of `LARGEST_HEADER`. None if the size does not matter.
    """
    dataset = make_header(uid(series, path.rpartition("/")[2]), patient_id, study, series, description, side, view)
    describe_pixels(dataset, pixels.shape, 8 * pixels.itemsize, (int(pixels.min()), int(pixels.max())))
    data = pixels.astype(f"<u{pixels.itemsize}", copy=False).tobytes()
    data += b"\0" * (len(data) % 2)
    if total_bytes is not None:
        padding = total_bytes - _count_bytes(dataset) - _PIXEL_DATA_HEADER - len(data)
        if padding < 0 or padding % 2:
            raise ValueError(f"{path}: the comment cannot be made {padding} bytes longer")
        dataset.ImageComments = COMMENT + " " * padding
    dataset.PixelData = data
    dataset["PixelData"].VR = "OW"  # of every depth, because the VR is implicit
    with storage.open_for_writing(path) as stream:
        dataset.save_as(stream, enforce_file_format=True)


def make_header(
    instance: str, patient_id: str, study: str, series: str, description: str, side: str, view: str
) -> Dataset:
    """Returns the elements that do not depend on the pixels."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID("1.2.40.0.13.1.1.1")
    dataset.file_meta.ImplementationVersionName = "dcm4che-1.4.35"
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = instance
    dataset.StudyDate = dataset.ContentDate = f"{_YEAR}{_MONTH}{_DAY}"
    dataset.StudyTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.ConversionType = "MG", "WSD"  # WSD: the image was made on a workstation
    dataset.SeriesDescription = description
    dataset.PatientName = dataset.PatientID = patient_id
    dataset.PatientBirthDate = dataset.PatientSex = ""
    private = dataset.private_block(0x0013, "CTP", create=True)
    private.add_new(0x10, "LO", "CBIS-DDSM ")
    private.add_new(0x13, "LO", "00000000")  # number of the site
    dataset.BodyPartExamined = "BREAST"
    dataset.SecondaryCaptureDeviceManufacturer = "MathWorks"
    dataset.SecondaryCaptureDeviceManufacturerModelName = "MATLAB"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "DDSM", "1", "1"
    dataset.PatientOrientation, dataset.Laterality = view, side[0]  # the view is in no other element
    dataset.ImageComments = COMMENT
    return dataset


def describe_pixels(dataset: Dataset, shape: tuple[int, ...], bits: int, value_range: tuple[int, int]) -> None:
    """Adds the elements that describe the pixels.

    Args:
        shape: (height, width).
        bits: 8 or 16.
        value_range: the smallest and the largest pixel value.
    """
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.SmallestImagePixelValue, dataset.LargestImagePixelValue = value_range


def _count_bytes(dataset: Dataset) -> int:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return len(stream.getvalue())
