"""Synthesizes mammograms: anatomy, exposure, film noise and label.

The density category is in the structure: in how much of the breast fibroglandular tissue covers. It is not in the
brightness, because exposure, contrast and film curve vary from film to film.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipelines.sample.anatomy import draw_anatomy
from pipelines.sample.exposure import expose
from pipelines.sample.noise import Size

LABEL = "SYNTHETIC"
_GRID = 400  # largest height at which the anatomy is drawn, in pixels; then it is scaled to the film
_GRAIN, _INK = 700.0, 56000


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
    drawn = expose(draw_anatomy(grid, density, view, rng), rng)
    if side == "RIGHT":
        drawn = drawn[:, ::-1]
    film = np.asarray(Image.fromarray(drawn.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
    film = film + _GRAIN * rng.standard_normal(size, np.float32)
    pixels = np.clip(film, 0, 65535).astype(np.uint16)
    _write_label(pixels, f"{LABEL} {side[0]} {view}", side)
    return pixels


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
