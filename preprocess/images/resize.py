"""Pads a film to the canvas and resizes it, in one pass over its rows. The padded canvas is never allocated.

The padded canvas is the film with black (0) below and to the right of it. Both methods read the film with
`FilmImage.read_rows`, from top to bottom, one band of rows at a time. Of an uncompressed film, only that band is in
memory.
"""

import hashlib

import numpy as np
from PIL import Image

from preprocess.contract.schema import Size
from preprocess.images.pixels import FilmImage
from preprocess.runtime.errors import RejectedFilm

_AREA_BAND = 1 << 17
"""The number of pixels that the area method reads at a time; more if one output row needs more. A small film is read in
few calls, and a band fits into the cache of the processor."""


def pad_and_resize(film: FilmImage, canvas: Size, size: Size, method: str) -> np.ndarray:
    """Pads a film to the canvas and resizes it.

    Args:
        film: at most as large as the canvas.
        canvas: (H, W) of the padded canvas, in pixels.
        size: (h, w) of the result, in pixels.
        method: "area" or "nearest".

    Returns:
        (h, w) uint16.

    Raises:
        RejectedFilm: the film is larger than the canvas, or its pixels cannot be read.
    """
    if film.height > canvas[0] or film.width > canvas[1]:
        raise RejectedFilm(
            "canvas",
            f"the film is {film.height} pixels high and {film.width} wide; the canvas is only {canvas[0]} high and "
            f"{canvas[1]} wide",
        )
    return (digest if method == DIGEST else METHODS[method])(film, canvas, size)


def area(film: FilmImage, canvas: Size, size: Size) -> np.ndarray:
    """Computes each output pixel as the mean of its rectangle of the canvas, rounded to the nearest integer, halves up.

    A source pixel that an edge of the rectangle cuts is weighted by the fraction inside. The result is exact, because
    all sums are integers. Areas are counted in units: a source pixel has h x w units and a rectangle has H x W units,
    so every overlap is a whole number of units.

    The edges between output rows divide the canvas into h intervals of rows. For each interval, its rows are added up;
    for each edge, the row that it cuts is read. `sum_rows` reduces each sum of rows and each cut row to 2 w + 1
    numbers, the only ones that are kept. A sum of rows fits uint32, because no film has more than 65,535 rows; all
    later sums are int64.

    Args:
        film, canvas, size: see `pad_and_resize`.

    Returns:
        (h, w) uint16.
    """
    from preprocess.images.kernels import sum_rows  # slow; only needed when a film is resized

    rows, columns = Edges(canvas[0], size[0], film.height), Edges(canvas[1], size[1], film.width)
    row_sums, cut_rows = (np.zeros((count, 2 * size[1] + 1), np.int64) for count in (size[0], size[0] + 1))
    step = max(1, _AREA_BAND * size[0] // (canvas[0] * film.width))  # intervals whose rows are read at a time
    for first in range(0, size[0], step):
        edges = rows.pixel[first : first + step + 1]
        *_, last, stop = edges.tolist()
        if edges[0] < film.height:
            band = film.read_rows(int(edges[0]), max(stop, min(last + 1, film.height)))
            sum_rows(band, edges - edges[0], columns.pixel, row_sums[first:], cut_rows[first:])
    sums = rows.sums(np.hstack([columns.sums(row_sums).T, columns.sums(cut_rows).T])).T
    units = canvas[0] * canvas[1]
    return ((2 * sums + units) // (2 * units)).astype(np.uint16)


class Edges:
    """The edges of the equal intervals into which an axis of the canvas is divided.

    Args:
        length: of the canvas, in pixels.
        out: number of intervals.
        film: length of the film in pixels; it covers the first pixels of the canvas.

    Attributes:
        pixel: (out + 1,) int64, index of the pixel that contains the edge; at most `film`, the first black pixel.
        part: (out + 1,) int64, the part of that pixel before the edge, in units; a pixel has `out` units. It is 0 if
            the edge is at the beginning of the pixel.
    """

    def __init__(self, length: int, out: int, film: int):
        pixel, self.part = np.divmod(np.arange(out + 1) * length, out)
        self.pixel = np.minimum(pixel, film)
        self._out = out

    def sums(self, sums: np.ndarray) -> np.ndarray:
        """Computes the sums of the intervals from the numbers that `kernels.sum_intervals` writes.

        These count the pixel at the first edge of an interval as a whole, and that at the second edge not at all. Here
        the part before the first edge is subtracted, and the part before the second edge is added.

        Args:
            sums: (n, 2 out + 1) int64.

        Returns:
            (n, out) int64, in units.
        """
        interval_sums, edge_pixels = sums[:, : self._out], sums[:, self._out :]
        return self._out * interval_sums + np.diff(edge_pixels * self.part)


def nearest(film: FilmImage, canvas: Size, size: Size) -> np.ndarray:
    """Takes one source pixel for each output pixel, the same one as Pillow's NEAREST resize of the padded canvas.

    Only the rows that contain such a pixel are read.

    Args:
        film, canvas, size: see `pad_and_resize`.

    Returns:
        (h, w) uint16.
    """
    rows, columns = (_nearest_indices(*lengths) for lengths in zip(canvas, size, strict=True))
    result = np.zeros(size, np.uint16)
    inside = columns < film.width
    for y, row in enumerate(rows.tolist()):
        if row < film.height:
            result[y, inside] = film.read_rows(row, row + 1)[0, columns[inside]]
    return result


METHODS = {"area": area, "nearest": nearest}
READS_FEW_ROWS = frozenset(("nearest",))
"""The methods that read a small part of a film's rows."""


DIGEST, DIGEST_SIZE = "digest", (1, 16)
"""The method that returns a digest of a film instead of an image, and the shape of the digest: 32 bytes as uint16."""

_BAND = 256  # rows that are read at a time for a digest


def digest(film: FilmImage, canvas: Size, size: Size) -> np.ndarray:
    """Computes the SHA-256 of a film's size and pixels.

    Args:
        film: read as a whole, on the full range.
        canvas, size: not used.

    Returns:
        `DIGEST_SIZE` uint16, the bytes of the digest.
    """
    del canvas, size
    state = hashlib.sha256(f"{film.height} {film.width}".encode())
    for start in range(0, film.height, _BAND):
        state.update(film.read_rows(start, min(start + _BAND, film.height)).astype("<u2").tobytes())
    return np.frombuffer(state.digest(), np.uint16).reshape(DIGEST_SIZE)


def _nearest_indices(length: int, out: int) -> np.ndarray:
    """Returns the index of the pixel that Pillow's NEAREST takes for each output pixel.

    The indices are obtained from Pillow, by resizing the numbers 0 to length - 1 in the mode of the canvas, I;16. In
    mode I, Pillow adds up its steps instead of multiplying them, and may take another pixel where a position is a whole
    number.

    Args:
        length: number of source pixels.
        out: number of output pixels.

    Returns:
        (out,) int64, from 0 to length - 1.
    """
    line = Image.fromarray(np.arange(length, dtype=np.uint16)[None])
    return np.asarray(line.resize((out, 1), Image.Resampling.NEAREST))[0].astype(np.int64)
