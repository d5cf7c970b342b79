"""Computes the features of the baselines: the size of a film, and the histogram of the pixels of a breast."""

import numpy as np

from preprocess.contract import schema
from trainer.data.image_set import ImageSet
from trainer.results.names import side_in, view_in

LEVELS = 256  # to which the pixel values are reduced
BINS = 32  # of the histogram
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def film_features(images: ImageSet) -> np.ndarray:
    """Returns (N, 4) float32: height and width of the box around the pixels above 0, codes of side and view.

    A code is the position in `schema.SIDES` or `schema.VIEWS`, and 2 if the name does not tell it. An image without
    pixels above 0 has height and width 0.
    """
    above = np.greater(images.pixels[..., 0], 0)
    sides = np.array([_code(side_in(name), schema.SIDES) for name in images.names])
    views = np.array([_code(view_in(name), schema.VIEWS) for name in images.names])
    heights, widths = _extent(np.any(above, axis=2)), _extent(np.any(above, axis=1))
    return np.column_stack([heights, widths, sides, views]).astype(np.float32)


def _code(value: str | None, values: tuple[str, ...]) -> int:
    return len(values) if value is None else values.index(value)


def _extent(is_inside: np.ndarray) -> np.ndarray:
    """Returns (N,) integers, the distance from the first to the last true element of each row, both included."""
    last = is_inside.shape[1] - is_inside[:, ::-1].argmax(axis=1)
    return np.where(is_inside.any(axis=1), last - is_inside.argmax(axis=1), 0)


def breast_features(images: ImageSet) -> np.ndarray:
    """Returns (N, 46) float32 about the pixels of the breast; all are 0 for an image without a breast.

    The breast is the pixels above Otsu's threshold (Otsu 1979) of the pixels above 0, so neither the canvas (0) nor the
    darker background of the film belongs to it. Pixel values are reduced to 256 levels first. The features are

    - a histogram of the breast: shares of 32 bins from 0 to 65535
    - eight quantiles, mean and standard deviation, in levels
    - Otsu's threshold of the breast, in levels, and the share of the breast above it, which may be glandular tissue
    - the share of the breast in the image, and in the pixels above level 0
    """
    counts = np.stack([np.bincount((image >> 8).ravel(), minlength=LEVELS) for image in images.pixels])
    counts[:, 0] = 0  # the canvas
    breast = _above(counts, otsu_levels(counts))
    inner = otsu_levels(breast)
    area = breast.sum(axis=1)
    shares = breast / np.maximum(area, 1)[:, None]
    levels = np.arange(LEVELS)
    mean = shares @ levels
    deviation = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0))
    cumulated = breast.cumsum(axis=1)
    features = [
        shares.reshape(len(shares), BINS, -1).sum(axis=2),
        *((cumulated < quantile * area[:, None]).sum(axis=1) for quantile in QUANTILES),
        mean,
        deviation,
        inner,
        _above(breast, inner).sum(axis=1) / np.maximum(area, 1),
        area / np.prod(images.pixels.shape[1:]),
        area / np.maximum(counts.sum(axis=1), 1),
    ]
    return np.column_stack(features).astype(np.float32)


def _above(counts: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Returns (N, L) counts, with 0 for the levels up to the (N,) thresholds."""
    return np.where(np.arange(counts.shape[1]) > thresholds[:, None], counts, 0)


def otsu_levels(counts: np.ndarray) -> np.ndarray:
    """Returns (N,) int64, the level up to which the pixels are in the darker class (Otsu 1979).

    It is the level with the highest variance between the two classes; the lowest of several.

    Args:
        counts: (N, L) integers, the number of pixels of each level.
    """
    levels = np.arange(counts.shape[1])
    dark, dark_sum = counts.cumsum(axis=1), (counts * levels).cumsum(axis=1)
    total, total_sum = dark[:, -1:], dark_sum[:, -1:]
    bright = total - dark
    with np.errstate(invalid="ignore"):  # a class may be empty
        difference = dark_sum / dark - (total_sum - dark_sum) / bright
    variance = np.where((dark > 0) & (bright > 0), dark * bright * difference**2, 0.0)
    return variance.argmax(axis=1)
