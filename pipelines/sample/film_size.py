"""Chooses the height and the width of a synthetic film."""

import math

import numpy as np

from preprocess.contract.schema import Size

HEIGHTS, WIDTHS = (3256, 7111), (1531, 5251)  # of CBIS-DDSM's calcification films, in pixels
ASPECTS = (0.56, 0.66)  # width / height of most films
TYPICAL_HEIGHT = (5300, 400)  # mean and standard deviation, in pixels
_HEIGHT_TOLERANCE = 0.03


def random_size(rng: np.random.Generator) -> Size:
    """Returns the (height, width) of a film like those of CBIS-DDSM."""
    height = int(np.clip(rng.normal(*TYPICAL_HEIGHT), *HEIGHTS))
    return height, int(np.clip(height * rng.uniform(*ASPECTS), *WIDTHS))


def size_with_pixels(pixels: int, rng: np.random.Generator) -> Size:
    """Returns a plausible (height, width) with the given number of pixels, or a few less.

    The number of bytes of a real film is known, its height and width are not. So an aspect (width / height) is drawn,
    and a height follows from it. The heights within 3 % of that height are compared, or if these are not possible, the
    nearest ones that are. The one with the smallest remainder of pixels / height is chosen. The remainder is 0 if one
    of them is a factor of `pixels`.

    Args:
        pixels: from 3,256 x 1,531 to 7,111 x 5,251.
    """
    lowest, highest = max(HEIGHTS[0], math.ceil(pixels / WIDTHS[1])), min(HEIGHTS[1], pixels // WIDTHS[0])
    wanted = math.sqrt(pixels / rng.uniform(*ASPECTS))
    span = int(2 * _HEIGHT_TOLERANCE * wanted)
    start = max(lowest, min(int(wanted) - span // 2, highest - span))
    height = min(range(start, min(start + span, highest) + 1), key=lambda height: pixels % height)
    return height, pixels // height
