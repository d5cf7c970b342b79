"""Other methods with which the job is compared, in their simplest form. The project does not use them."""

from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image

from preprocess.contract.schema import Size


def read(path: Path) -> bytes:
    """Reads a whole file into fresh memory, the least work of a program that reads whole files."""
    with path.open("rb") as file:
        return file.read()


def as_in_2018(path: Path, canvas: Size, size: Size) -> np.ndarray:
    """Resizes like the tutorial of 2018: an int64 canvas, resized with Pillow's NEAREST. Returns (h, w) uint16."""
    film = pydicom.dcmread(path).pixel_array
    padded = np.zeros(canvas, np.int64)
    padded[: film.shape[0], : film.shape[1]] = film
    image = Image.fromarray(padded.astype(np.int32))  # Pillow has no 64-bit images
    return np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST)).astype(np.uint16)


def opencv_area(path: Path, canvas: Size, size: Size) -> np.ndarray:
    """Resizes a 16-bit canvas with OpenCV's INTER_AREA on one core; (h, w) uint16."""
    cv2.setNumThreads(1)
    film = pydicom.dcmread(path).pixel_array
    padded = np.zeros(canvas, np.uint16)
    padded[: film.shape[0], : film.shape[1]] = film
    return cv2.resize(padded, size[::-1], interpolation=cv2.INTER_AREA)


def decode_dicom(path: Path) -> np.ndarray:
    """Decodes a DICOM film with pydicom."""
    return pydicom.dcmread(path).pixel_array


def decode_image(path: Path) -> np.ndarray:
    """Decodes an image with Pillow."""
    with Image.open(path) as image:
        return np.asarray(image)
