"""Pad a film to the canvas and resize it, in one pass over its rows and without ever making the canvas.

The padded canvas is the film with black (0) below and to the right of it. Both methods see it through `read_rows` of
a `FilmImage`, from top to bottom, one band of rows at a time: for an uncompressed film the memory in use is that band.
"""

import itertools

import numpy as np
from PIL import Image

from preprocess.contract.schema import Size
from preprocess.images.pixels import FilmImage
from preprocess.runtime.errors import RejectedFilm


def pad_and_resize(film: FilmImage, canvas: Size, size: Size, method: str) -> np.ndarray:
    """Resizes the padded canvas of a film.

    Args:
        film: at most as large as the canvas.
        canvas: (H, W) of the padded canvas.
        size: (h, w) of the result.
        method: "area" or "nearest".

    Returns:
        (h, w) uint16.

    Raises:
        RejectedFilm: the film is larger than the canvas, or its pixels cannot be read.
    """
    if film.height > canvas[0] or film.width > canvas[1]:
        raise RejectedFilm(
            "canvas",
            f"the film is {film.height} high and {film.width} wide; the canvas is only {canvas[0]} by {canvas[1]}",
        )
    return METHODS[method](film, canvas, size)


def area(film: FilmImage, canvas: Size, size: Size) -> np.ndarray:
    """Every output pixel is the mean of its rectangle of the canvas, to the nearest integer, halves up.

    A rectangle's edges cut through source pixels, which then count by the fraction inside. All sums are integers: a
    source pixel is `h` by `w` units, a rectangle `H` by `W` units, so every overlap is whole, and the result is exact.

    Of the rows between two edges, and of the row that an edge cuts, only what the sums along them need is kept. The sum
    of rows fits uint32, as no film has more than 65,535 rows; everything later is int64.

    Args and returns: as `pad_and_resize`, (H, W) canvas -> (h, w) uint16.
    """
    from preprocess.images.kernels import (  # slow to import; most who import this module resize nothing
        add_rows,
        sum_intervals,
    )

    rows, columns = Edges(canvas[0], size[0], film.height), Edges(canvas[1], size[1], film.width)
    between, cut = (np.zeros((count, 2 * size[1] + 1), np.int64) for count in (size[0], size[0] + 1))
    line = np.zeros(film.width + 1, np.uint32)  # its last pixel is the black beside the film
    for y, (start, stop) in enumerate(itertools.pairwise(rows.pixel.tolist())):
        if start < film.height:
            band = film.read_rows(start, max(stop, start + 1))
            line[:-1] = band[0]
            sum_intervals(line, columns.pixel, cut[y])
            if start < stop:
                add_rows(band[1:], line[:-1])
                sum_intervals(line, columns.pixel, between[y])
    sums = rows.sums(np.hstack([columns.sums(between).T, columns.sums(cut).T])).T
    whole = canvas[0] * canvas[1]
    return ((2 * sums + whole) // (2 * whole)).astype(np.uint16)


class Edges:
    """The edges of `out` equal intervals on an axis of `length` pixels, of which a film covers the first `film`.

    Attributes:
        pixel: (out + 1,) int64, which pixel an edge cuts or lies before; beyond the film, the first pixel there.
        part: (out + 1,) int64, how much of that pixel lies before the edge, in units: a pixel is `out` of them.
    """

    def __init__(self, length: int, out: int, film: int):
        pixel, self.part = np.divmod(np.arange(out + 1) * length, out)
        self.pixel = np.minimum(pixel, film)
        self._out = out

    def sums(self, sums: np.ndarray) -> np.ndarray:
        """(n, 2 out + 1) int64, see `kernels.sum_intervals` -> (n, out) int64, the sums of the intervals, in units."""
        between, cut = sums[:, : self._out], sums[:, self._out :]
        return self._out * between + np.diff(cut * self.part)


def nearest(film: FilmImage, canvas: Size, size: Size) -> np.ndarray:
    """Bit for bit what Pillow's NEAREST resize gives on the padded canvas; reads only the rows that it takes.

    Pillow itself tells which row and column it takes, by resizing a line of their numbers in the canvas's own mode,
    I;16. (In mode I it adds up its steps instead of multiplying them, and may differ where a position is a whole
    number.)

    Args and returns: as `pad_and_resize`, (H, W) canvas -> (h, w) uint16.
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
"""Those that leave most rows of a film unread."""


def _nearest_indices(length: int, out: int) -> np.ndarray:
    """(out,) int64: which of `length` samples Pillow's NEAREST takes for each of `out`."""
    line = Image.fromarray(np.arange(length, dtype=np.uint16)[None])
    return np.asarray(line.resize((out, 1), Image.Resampling.NEAREST))[0].astype(np.int64)
