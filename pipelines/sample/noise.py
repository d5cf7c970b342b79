"""Draws the random fields from which the anatomy of a synthetic film is made."""

import numpy as np
from PIL import Image

Size = tuple[int, int]

_RASTER = 256  # height and width of the raster from which strands are read


def smooth_noise(grid: Size, octaves: tuple[tuple[int, float], ...], rng: np.random.Generator) -> np.ndarray:
    """Returns the sum of several smooth random fields: (height, width) float64.

    Args:
        grid: (height, width) in pixels.
        octaves: (cells, weight) of each field: the number of random values along the height, between which the field is
            interpolated, and the standard deviation of these values.
    """
    height, width = grid
    total = np.zeros(grid)
    for cells, weight in octaves:
        knots = rng.standard_normal((cells, max(2, cells * width // height)), np.float32)
        total += np.asarray(Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC)) * weight
    return total


def strand_noise(along: np.ndarray, across: np.ndarray, cells: Size, rng: np.random.Generator) -> np.ndarray:
    """Returns random strands: 1 in the middle of a strand, 0 between strands.

    A strand is where a random surface crosses 0.

    Args:
        along, across: the coordinates of each pixel, (height, width) float64 from 0 to 1; strands follow `along`.
        cells: number of random values of the surface along the strands and across them.

    Returns:
        (height, width) float64, 0 to 1.
    """
    knots = rng.standard_normal((cells[1], cells[0]), np.float32)
    surface = np.asarray(Image.fromarray(knots).resize((_RASTER, _RASTER), Image.Resampling.BICUBIC))
    rows, columns = ((_RASTER - 1) * np.clip(c, 0, 1) for c in (across, along))
    strands = np.clip(1 - np.abs(surface) / 0.5, 0, 1)
    return strands[rows.astype(np.intp), columns.astype(np.intp)].astype(np.float64)
