"""What the page shows of a data set's images: pictures of eight bits, and how bright their pixels are."""

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
QUALITY = 80  # of WebP: some 2 KB an image, so that all of CBIS-DDSM stays below 15 MB
_BIN_WIDTH = (schema.PIXEL_MAX + 1) // BINS


@dataclass(frozen=True)
class Images:
    """All images of a data set.

    Attributes:
        rows: a row an image, as in `dataset.csv`.
        pictures: a `data:` URI for each row.
        white: the pixel value that is shown white, the largest of the set.
        histograms: density -> (BINS,) share of the pixels above 0 in each range of values.
        black: density -> share of the pixels that are 0: background and padding.
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
    with ThreadPoolExecutor() as threads:  # Pillow lets go of the interpreter while it encodes
        drawn = threads.map(picture, pixels, itertools.repeat(white))
        pictures = list(log.track(drawn, len(rows), "drawing thumbnails"))
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


def picture(pixels: np.ndarray, white: int) -> str:
    """(H, W) uint16 -> a `data:` URI of eight bits, 0 black and `white` white; lossy, for looking at only."""
    shown = np.minimum(pixels.astype(np.uint32) * 255 // white, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(shown).save(stream, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _read(data: DataSet, rows: Sequence[ImageRow]) -> Iterator[np.ndarray]:
    def read(row: ImageRow) -> np.ndarray:
        path = data.path(row.file)
        try:
            pixels = decode_png(storage.read(path))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: {error}; pipelines.verify lists what is wrong") from error
        if pixels.shape != data.size:
            raise InputError(f"{path}: is no image of this data set's size; pipelines.verify lists what is wrong")
        return pixels

    return storage.map_items(read, rows, storage.is_local(data.root))
