"""Reads the images of a data set and makes 8-bit thumbnails and histograms of their pixel values."""

import base64
import io
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from preprocess.contract import schema
from preprocess.contract.png import decode_png
from preprocess.dataset.reader import DataSet
from preprocess.dataset.tables import ImageRow
from preprocess.files import storage
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log

BINS = 64
QUALITY = 80  # of WebP: about 2 KB an image, so the page of all of CBIS-DDSM stays below 15 MB
_BIN_WIDTH = (schema.PIXEL_MAX + 1) // BINS


@dataclass(frozen=True)
class Images:
    """All images of a data set.

    Attributes:
        rows: the rows of `dataset.csv`.
        pictures: a `data:` URI for each row.
        white: the pixel value that is shown as white; the largest of the data set.
        histograms: density -> (BINS,) share of each bin among the pixels above 0.
        black: density -> share of the pixels that are 0 (background and padding).
    """

    rows: Sequence[ImageRow]
    pictures: Sequence[str]
    white: int
    histograms: dict[int, np.ndarray]
    black: dict[int, float]


def read_images(data: DataSet, log: Log) -> Images:
    """Reads every PNG of a data set.

    Raises:
        InputError: a file cannot be read.
    """
    rows = data.read_rows()
    pixels = np.empty((len(rows), *data.size), np.uint16)
    for number, image in enumerate(log.track(_read(data, rows), len(rows), "reading images")):
        pixels[number] = image
    white = int(pixels.max(initial=1))
    with ThreadPoolExecutor() as threads:  # Pillow releases the interpreter lock while it encodes
        encoded = threads.map(picture, pixels, itertools.repeat(white))
        pictures = list(log.track(encoded, len(rows), "drawing thumbnails"))
    histograms, black = {}, {}
    densities = np.array([row.density for row in rows])
    for density in schema.DENSITIES:
        values = pixels[densities == density]
        counts = np.bincount(values.ravel() // _BIN_WIDTH, minlength=BINS)
        zeros = int((values == 0).sum())
        counts[0] -= zeros
        histograms[density] = counts / max(1, counts.sum())
        black[density] = zeros / max(1, values.size)
    return Images(rows, pictures, white, histograms, black)


def picture(pixels: np.ndarray, white: int, effort: int = 4) -> str:
    """Returns a `data:` URI of a lossy 8-bit image, for display only.

    Args:
        pixels: (height, width) uint16.
        white: the pixel value that is shown as white; 0 is shown as black.
        effort: of the compression, 0 to 6; a larger one takes longer and gives fewer bytes.
    """
    shown = np.minimum(pixels.astype(np.uint32) * 255 // white, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(shown).save(stream, "WEBP", quality=QUALITY, method=effort)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _read(data: DataSet, rows: Sequence[ImageRow]) -> Iterator[np.ndarray]:
    def read(row: ImageRow) -> np.ndarray:
        path = data.path(row.file)
        try:
            pixels = decode_png(storage.read(path))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: {error}; pipelines.verify lists all faults") from error
        if pixels.shape != data.size:
            height, width = pixels.shape
            raise InputError(
                f"{path}: {width} x {height} pixels; expected {data.size[1]} x {data.size[0]}; "
                f"pipelines.verify lists all faults"
            )
        return pixels

    return storage.map_items(read, rows, storage.is_local(data.root))
