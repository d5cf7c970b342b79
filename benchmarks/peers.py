"""What the job is measured against, each written as plainly as its method allows; none of it is used by the project."""

from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image

from preprocess.contract.schema import Size


def read(path: Path) -> bytes:
    """The file's bytes, in fresh memory: what any program pays that takes files whole."""
    with path.open("rb") as file:
        return file.read()


def as_in_2018(path: Path, canvas: Size, size: Size) -> np.ndarray:
    """A canvas of 64-bit integers, the film in its corner, resized by Pillow with NEAREST: (h, w) uint16."""
    film = pydicom.dcmread(path).pixel_array
    padded = np.zeros(canvas, np.int64)
    padded[: film.shape[0], : film.shape[1]] = film
    image = Image.fromarray(padded.astype(np.int32))  # Pillow has no images of 64 bits
    return np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST)).astype(np.uint16)


def opencv_area(path: Path, canvas: Size, size: Size) -> np.ndarray:
    """A canvas of 16 bits, resized by OpenCV's INTER_AREA on one core: (h, w) uint16."""
    cv2.setNumThreads(1)
    film = pydicom.dcmread(path).pixel_array
    padded = np.zeros(canvas, np.uint16)
    padded[: film.shape[0], : film.shape[1]] = film
    return cv2.resize(padded, size[::-1], interpolation=cv2.INTER_AREA)


def decode_dicom(path: Path) -> np.ndarray:
    """A film's samples by pydicom."""
    return pydicom.dcmread(path).pixel_array


def decode_image(path: Path) -> np.ndarray:
    """A film's samples by Pillow."""
    with Image.open(path) as image:
        return np.asarray(image)
