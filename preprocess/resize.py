"""Pad a film to the canvas and resize it, in one pass over its rows and without ever making the canvas.

The padded canvas is the film with black (0) below and to the right of it. Both methods see it through `read_rows` of
a `FilmImage`, from top to bottom, one band of rows at a time: for an uncompressed film the memory in use is that band.
"""

import itertools

import numpy as np
from PIL import Image

from preprocess.errors import RejectedFilm
from preprocess.pixels import FilmImage

Size = tuple[int, int]
"""(height, width) in pixels."""


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

    The loop is the only thing that looks at every pixel: it adds up the rows between two edges and keeps the row that
    each edge cuts. Its sums fit uint32, as no film has more than 65,535 rows; everything later is int64.

    Args and returns: as `pad_and_resize`, (H, W) canvas -> (h, w) uint16.
    """
    rows, columns = Edges(canvas[0], size[0], film.height), Edges(canvas[1], size[1], film.width)
    between = np.zeros((size[0], film.width + 1), np.uint32)  # the last column is the black beside the film
    cut = np.zeros((size[0] + 1, film.width + 1), np.uint16)
    for y, (start, stop) in enumerate(itertools.pairwise(rows.pixel.tolist())):
        if start < film.height:
            band = film.read_rows(start, max(stop, start + 1))
            cut[y, :-1] = band[0]
            if start < stop:
                np.add.reduce(band, axis=0, dtype=np.uint32, out=between[y, :-1])
    sums = rows.total(columns.sums(between).T, columns.sums(cut).T).T
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

    def sums(self, lines: np.ndarray) -> np.ndarray:
        """(n, film + 1) integers, the last of each line 0 -> (n, out) int64, the sums of its intervals, in units."""
        between = np.add.reduceat(lines, self.pixel[:-1], axis=1, dtype=np.int64)
        between[:, self.pixel[:-1] == self.pixel[1:]] = 0  # reduceat takes one pixel where there is none
        return self.total(between, lines[:, self.pixel])

    def total(self, between: np.ndarray, cut: np.ndarray) -> np.ndarray:
        """The sums of the intervals, from those of the pixels between two edges and from the pixels they cut.

        Args:
            between: (n, out) int64, the sums of the pixels from the one that an edge cuts to before the next such one.
            cut: (n, out + 1) integers, the pixels that edges cut.

        Returns:
            (n, out) int64, in units.
        """
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


def _nearest_indices(length: int, out: int) -> np.ndarray:
    """(out,) int64: which of `length` samples Pillow's NEAREST takes for each of `out`."""
    line = Image.fromarray(np.arange(length, dtype=np.uint16)[None])
    return np.asarray(line.resize((out, 1), Image.Resampling.NEAREST))[0].astype(np.int64)
