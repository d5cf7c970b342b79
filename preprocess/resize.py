"""Pad a film to the canvas and resize it, in one pass over its rows and without ever making the canvas.

The padded canvas is the film with black (0) below and to the right of it. Both methods see it through `read_rows` of
a `FilmImage`, from top to bottom, one band of rows at a time: for an uncompressed film the memory in use is that band.
"""

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
    A band's column sums fit uint32, as no film has more than 65,535 rows; everything later is int64.

    Args and returns: as `pad_and_resize`, (H, W) canvas -> (h, w) uint16.
    """
    (canvas_height, canvas_width), (height, width) = canvas, size
    columns = np.zeros((height, film.width), np.int64)
    top_row = _read(film, 0, 1)[0].copy()
    for y in range(height):
        first, above = divmod(y * canvas_height, height)
        last, inside = divmod((y + 1) * canvas_height, height)
        if first >= film.height:
            break
        # In units: the rows first..last whole, less the part above the rectangle, plus the last row's part inside it.
        if last > first:
            rows = _read(film, first + 1, last + 1)
            columns[y] = rows[:-1].sum(axis=0, dtype=np.uint32)
            columns[y] += top_row
            columns[y] *= height
        bottom_row = rows[-1] if last > first else top_row
        columns[y] += np.multiply(bottom_row, inside, dtype=np.int64)
        columns[y] -= np.multiply(top_row, above, dtype=np.int64)
        top_row = bottom_row.copy()
    sums = np.diff(_integral(columns, np.arange(width + 1) * canvas_width, width))
    whole = canvas_height * canvas_width
    return ((2 * sums + whole) // (2 * whole)).astype(np.uint16)


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


def _read(film: FilmImage, start: int, stop: int) -> np.ndarray:
    """Rows start:stop of the canvas, as wide as the film: (stop - start, film.width) uint16."""
    held = film.read_rows(start, min(stop, film.height)) if start < min(stop, film.height) else None
    if held is not None and len(held) == stop - start:
        return held
    rows = np.zeros((stop - start, film.width), np.uint16)
    if held is not None:
        rows[: len(held)] = held
    return rows


def _integral(columns: np.ndarray, at: np.ndarray, width: int) -> np.ndarray:
    """The integrals of rows of column sums, each `width` units wide, from 0 to each position in `at` (in units).

    Args:
        columns: (h, W) int64.
        at: (n,) int64.

    Returns:
        (h, n) int64.
    """
    last = columns.shape[1] - 1
    whole, part = np.divmod(np.minimum(at, (last + 1) * width), width)
    before = np.cumsum(columns, axis=1)[:, np.maximum(whole, 1) - 1]
    before[:, whole == 0] = 0
    return width * before + part * columns[:, np.minimum(whole, last)]


def _nearest_indices(length: int, out: int) -> np.ndarray:
    """(out,) int64: which of `length` samples Pillow's NEAREST takes for each of `out`."""
    line = Image.fromarray(np.arange(length, dtype=np.uint16)[None])
    return np.asarray(line.resize((out, 1), Image.Resampling.NEAREST))[0].astype(np.int64)
