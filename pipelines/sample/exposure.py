"""Exposes a synthetic film: tissue to pixel values, with another exposure, contrast and film curve on every film.

As in a mammography unit with automatic exposure control, the mean exposure of the breast does not depend on how much
of it is fibroglandular tissue.
"""

import numpy as np

from pipelines.sample.anatomy import Anatomy

_LEVEL = (0.33, 0.65)  # mean exposure of the breast; 1 makes the film white
_CONTRAST = (0.23, 0.39)  # difference in exposure between fibroglandular tissue and fat
_CURVE = (0.36, 0.64)  # range of the brightness at half of the largest exposure; a linear film has 0.5
_WHITE = (44000.0, 65000.0)
_BACKGROUND = (800.0, 9000.0)


def expose(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Returns the pixel values of a film without noise, (h, w) float64, 0 to 65535.

    The characteristic curve is that of Schlick (Fast alternatives to Perlin's bias and gain functions, 1994), which
    has the form of a gamma curve and needs only arithmetic.
    """
    level, contrast, half = rng.uniform(*_LEVEL), rng.uniform(*_CONTRAST), rng.uniform(*_CURVE)
    white, background = rng.uniform(*_WHITE), rng.uniform(*_BACKGROUND)
    mean = anatomy.tissue[anatomy.breast & ~anatomy.muscle].mean()
    exposure = np.clip(level + contrast * (anatomy.tissue - mean), 0, 1)
    brightness = exposure / ((1 / half - 2) * (1 - exposure) + 1)
    return background + (white - background) * brightness * anatomy.thickness
