"""Synthesizes mammograms: outline, background, pectoral muscle, fibroglandular tissue, film noise and label.

The share of fibroglandular tissue depends on the density category, by the quartiles of BI-RADS (4th edition: below 25,
25 to 50, 51 to 75, above 75 %). The images are only realistic enough that a person and a small network can distinguish
the categories.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Size = tuple[int, int]

GLANDULAR_SHARE = {1: (0.08, 0.18), 2: (0.32, 0.42), 3: (0.58, 0.68), 4: (0.82, 0.92)}
"""Density category -> range of the share of fibroglandular tissue in the area of the breast without pectoral muscle."""

LABEL = "SYNTHETIC"
_GRID = 512  # largest height at which the anatomy is drawn, in pixels; then it is scaled to the film
_BACKGROUND, _FAT, _GLAND, _MUSCLE, _GRAIN, _INK = 1800.0, 12000.0, 44000.0, 24000.0, 700.0, 56000


@dataclass(frozen=True)
class Anatomy:
    """The anatomy on a film, as arrays of the grid's shape (h, w).

    Attributes:
        breast, muscle: bool masks.
        gland: amount of glandular tissue, 0 to 1.
        thickness: of the breast, 0 to 1.
        attenuation: brightness of glandular tissue, 0 to 1. It grows with the glandular share of the breast: a film is
            a projection, so more glandular tissue then lies along every ray.
    """

    breast: np.ndarray
    muscle: np.ndarray
    gland: np.ndarray
    thickness: np.ndarray
    attenuation: float


def synthesize_film(size: Size, density: int, side: str, view: str, rng: np.random.Generator) -> np.ndarray:
    """Returns a synthetic film of one breast.

    Args:
        size: (height, width) in pixels.
        density: 1 to 4; for any other number, the glandular share is drawn from the range of all categories.
        side: "LEFT" (chest wall on the left edge) or "RIGHT".
        view: "CC" or "MLO" (with pectoral muscle).

    Returns:
        (height, width) uint16, MONOCHROME2.
    """
    height, width = size
    grid = (min(height, _GRID), max(1, round(width * min(height, _GRID) / height)))
    anatomy = draw_anatomy(grid, density, view, rng)
    tissue = np.where(anatomy.muscle, _MUSCLE, _FAT + _GLAND * anatomy.attenuation * anatomy.gland)
    drawn = _BACKGROUND + np.where(anatomy.breast, tissue * anatomy.thickness, 0.0)
    if side == "RIGHT":
        drawn = drawn[:, ::-1]
    film = np.asarray(Image.fromarray(drawn.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
    film = film + _GRAIN * rng.standard_normal(size, np.float32)
    pixels = np.clip(film, 0, 65535).astype(np.uint16)
    _write_label(pixels, f"{LABEL} {side[0]} {view}", side)
    return pixels


def draw_anatomy(grid: Size, density: int, view: str, rng: np.random.Generator) -> Anatomy:
    """Draws a breast with the chest wall at the left edge; `grid` is (height, width) in pixels."""
    height, width = grid
    y = np.linspace(-1, 1, height)[:, None]
    x = np.linspace(0, 1, width)[None]
    mlo = view == "MLO"
    nipple = rng.uniform(0.10, 0.22) if mlo else rng.uniform(-0.08, 0.08)
    reach = rng.uniform(0.68, 0.84)
    above = rng.uniform(1.08, 1.22) if mlo else rng.uniform(0.76, 0.88)
    below = rng.uniform(0.68, 0.74) if mlo else rng.uniform(0.76, 0.88)
    offset = y - nipple
    away = np.abs(offset) / np.where(offset < 0, above, below)
    edge = reach * np.sqrt(np.clip(1 - away * away, 0, None))
    breast = x < edge
    bulge = 0.06 * np.clip(1 - (y + 0.6) ** 2 / 0.25, 0, None)
    muscle = breast & ((x - bulge) / rng.uniform(0.26, 0.40) + (y + 1) / rng.uniform(0.75, 1.10) < 1) & mlo
    thickness = np.sqrt(np.clip((edge - x) / 0.12, 0, 1)) * 0.75 + 0.25
    low, high = GLANDULAR_SHARE.get(density, (0.05, 0.95))
    share = rng.uniform(low, high)
    centre = (x / reach - 0.5) ** 2 + (offset / 0.8) ** 2
    field = _smooth_noise(grid, rng) - 1.5 * centre
    threshold = np.quantile(field[breast & ~muscle], 1 - share)
    gland = np.clip((field - threshold) / 0.5 + 0.5, 0, 1) * np.clip(0.9 + 0.12 * _smooth_noise(grid, rng), 0.8, 1)
    return Anatomy(breast, muscle, gland, thickness, attenuation=0.1 + 0.9 * share)


def _smooth_noise(grid: Size, rng: np.random.Generator) -> np.ndarray:
    """Returns (height, width) float64 noise: a sum of octaves; the coarse ones have the largest weights."""
    height, width = grid
    total = np.zeros(grid)
    for cells, weight in ((4, 0.5), (8, 0.35), (16, 0.25), (32, 0.18), (64, 0.12), (128, 0.08)):
        knots = rng.standard_normal((cells, max(2, cells * width // height)), np.float32)
        total += np.asarray(Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC)) * weight
    return total


def _write_label(pixels: np.ndarray, text: str, side: str) -> None:
    """Draws a label into the upper corner away from the chest wall, about a third of the film wide."""
    font = ImageFont.load_default_imagefont()
    left, top, right, bottom = font.getbbox(text)
    stamp = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(stamp).text((-left, -top), text, fill=255, font=font)
    height, width = pixels.shape
    factor = max(1, width // (3 * stamp.width))
    ink = np.asarray(stamp.resize((stamp.width * factor, stamp.height * factor), Image.Resampling.NEAREST)) > 0
    margin = height // 50
    rows = slice(margin, margin + ink.shape[0])
    columns = (
        slice(margin, margin + ink.shape[1])
        if side == "RIGHT"
        else slice(width - margin - ink.shape[1], width - margin)
    )
    pixels[rows, columns][ink[: pixels[rows, columns].shape[0], : pixels[rows, columns].shape[1]]] = _INK
