"""Draws the anatomy of a synthetic film: outline, pectoral muscle, and fibroglandular tissue in fat.

The share of the breast that fibroglandular tissue covers depends on the density category, by the quartiles of BI-RADS
(4th edition: below 25, 25 to 50, 51 to 75, above 75 %). The tissue is drawn as strands and blobs around the ducts,
which converge at the nipple. Size, outline, thickness and compression of the breast do not depend on the category.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.sample.noise import Size, smooth_noise, strand_noise

GLANDULAR_SHARE = {1: (0.03, 0.09), 2: (0.32, 0.38), 3: (0.61, 0.67), 4: (0.90, 0.96)}
"""Density category -> range of the share of fibroglandular tissue in the area of the breast without pectoral muscle.

The ranges are narrower than the quartiles, so that a network can learn the categories from some 170 films.
"""

_SHAPE = ((3, 0.5), (6, 0.35), (12, 0.25), (24, 0.16), (48, 0.08))  # octaves of the border of fibroglandular tissue
_BLOBS = ((36, 0.8), (72, 0.5))  # octaves of its texture
_BREADTH = ((2, 0.8), (4, 0.5))  # octaves of the thickness


@dataclass(frozen=True)
class Anatomy:
    """The anatomy on a film, as arrays of the grid's shape (h, w).

    Attributes:
        breast: bool mask, with the muscle.
        muscle: bool mask of the pectoral muscle.
        gland: 1 where fibroglandular tissue covers the breast, 0 in fat, 0.5 at the border between them.
        tissue: attenuation, 0 for fat and about 1 for fibroglandular tissue and muscle.
        thickness: of the breast, 0 outside and 1 where the paddle compresses it.
    """

    breast: np.ndarray
    muscle: np.ndarray
    gland: np.ndarray
    tissue: np.ndarray
    thickness: np.ndarray


def draw_anatomy(grid: Size, density: int, view: str, rng: np.random.Generator) -> Anatomy:
    """Draws a breast with the chest wall at the left edge.

    Args:
        grid: (height, width) in pixels.
        density: 1 to 4; for any other number, the glandular share is drawn from the range of all categories.
        view: "CC" or "MLO" (with pectoral muscle).
    """
    height, width = grid
    y = np.linspace(-1, 1, height)[:, None]
    x = np.linspace(0, 1, width)[None]
    mlo = view == "MLO"
    size = rng.uniform(0.8, 1.0)
    nipple = rng.uniform(0.05, 0.25) if mlo else rng.uniform(-0.12, 0.12)
    edge = _outline(y - nipple, nipple, size, mlo, rng)
    breast = x < edge
    reach = float(edge.max())
    bulge = 0.06 * np.clip(1 - (y + 0.6) ** 2 / 0.25, 0, None)
    wedge = 1 - (x - bulge) / rng.uniform(0.26, 0.44) - (y + 1) / rng.uniform(0.7, 1.2)
    muscle = breast & (wedge > 0) & mlo
    thickness = np.sqrt(np.clip((edge - x) / rng.uniform(0.08, 0.25), 0, 1))
    share = rng.uniform(*GLANDULAR_SHARE.get(density, (0.05, 0.95)))
    distance = (x / reach - 0.55) ** 2 / 0.25 + ((y - nipple) / (0.8 * size)) ** 2
    field = smooth_noise(grid, _SHAPE, rng) - distance
    gland = np.clip((field - np.quantile(field[breast & ~muscle], 1 - share)) / 0.3 + 0.5, 0, 1)
    along = (reach + 0.1 - x) / (reach + 0.1)
    across = 0.5 + 0.35 * (y - nipple) / (0.35 + along)
    ducts = strand_noise(along, across, (8, 56), rng)
    ligaments = strand_noise(along, across, (6, 28), rng)
    blobs = np.clip(0.5 + smooth_noise(grid, _BLOBS, rng), 0, 1.2)
    tissue = gland * (0.4 + 0.55 * ducts + 0.55 * blobs) + 0.12 * ligaments * (1 - gland)
    tissue += rng.uniform(0.05, 0.3) * smooth_noise(grid, _BREADTH, rng) + rng.uniform(-0.6, 0.6) * (0.5 - x / reach)
    tissue = np.where(muscle, rng.uniform(0.6, 1.2) + 0.4 * np.clip(wedge, 0, 1), tissue)
    return Anatomy(breast, muscle, gland, tissue, thickness)


def _outline(offset: np.ndarray, nipple: float, size: float, mlo: bool, rng: np.random.Generator) -> np.ndarray:
    """Returns the x coordinate of the skin in each row: (height, 1); 0 in rows without breast.

    Args:
        offset: y below the nipple, (height, 1).
        nipple: y of the nipple, -1 at the top and 1 at the bottom of the film.
        size: scale of the breast.
        mlo: whether the breast continues to the upper edge of the film, where the armpit is.
    """
    reach, half = size * rng.uniform(0.74, 0.9), size * rng.uniform(0.68, 0.82)
    below = 1 - np.clip(offset / half, -1, 1) ** 2
    edge = reach * np.sqrt(below)
    if mlo:
        armpit = rng.uniform(0.3, 0.5) * size
        above = 1 - np.clip(offset / (1.05 + nipple), -1, 0) ** 2
        edge = np.where(offset < 0, armpit + (reach - armpit) * above * np.sqrt(above), edge)
    return edge + 0.02 * size * np.clip(1 - (offset / 0.05) ** 2, 0, None)
