"""Simple statistics of images of films, to notice an image that does not look like the training images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocess.contract import schema

DARK = schema.PIXEL_MAX // 10
"""Pixels of a film below this value are dark."""

USUAL, MARGIN = 0.999, 0.1
"""Limits for an image that looks like the training images.

`USUAL`: the share of the training images that have at most the usual distance to their mean.
`MARGIN`: a statistic may be outside of its range by this share of the width of the range, and a distance may exceed the
usual distance by this share of it, because the training images are a sample.
"""

FEWEST = 50
"""With fewer training images, the covariance is too uncertain, and distances are not used."""

STATISTICS = {
    "black": "share of the image that is black (the canvas around the film)",
    "dark": "share of the film that is darker than a tenth of the full range",
    "brightness": "mean of the film, of the full range",
    "contrast": "standard deviation of the film, of the full range",
    "asymmetry": "difference of the sums of the left and right half of the image, of their sum",
    "roughness": "mean difference of neighbouring pixels of the film, of its standard deviation",
}
"""Name -> meaning."""


def describe(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Computes the statistics of images.

    The film is the pixels above 0. A statistic of an image without a film is 0, except that all of it is black.

    Args:
        pixels: (N, H, W, 1) uint16.

    Returns:
        Name -> (N,) float64, see `STATISTICS`.
    """
    rows = [_describe_one(image[..., 0]) for image in pixels]
    return {name: np.array([row[name] for row in rows]) for name in STATISTICS}


@dataclass(frozen=True)
class FilmStatistics:
    """The statistics of the training images, with which those of a new image are compared.

    Attributes:
        ranges: name -> smallest and largest value.
        mean: (S,) float64, of the S statistics in the order of `STATISTICS`.
        inverse_covariance: (S, S) float64; zeros if there are too few images, so that all distances are 0.
        distance: the Mahalanobis distance to the mean that 99.9 % of the training images have at most.
    """

    ranges: Mapping[str, tuple[float, float]]
    mean: np.ndarray
    inverse_covariance: np.ndarray
    distance: float

    @classmethod
    def of(cls, pixels: np.ndarray) -> "FilmStatistics":
        """Computes the statistics of (N, H, W, 1) uint16 training images, N > 0."""
        found = describe(pixels)
        ranges = {name: (float(values.min()), float(values.max())) for name, values in found.items()}
        table = np.column_stack(list(found.values()))
        mean = table.mean(axis=0)
        inverse = np.zeros((len(STATISTICS),) * 2)
        if len(table) >= FEWEST:
            inverse = np.linalg.pinv(np.cov(table, rowvar=False), hermitian=True)
        return cls(ranges, mean, inverse, float(np.quantile(_distances(table, mean, inverse), USUAL)))

    def differences(self, image: np.ndarray) -> list[str]:
        """Says in which way an image does not look like the training images.

        Args:
            image: (H, W) uint16.

        Returns:
            A remark for each statistic that is clearly outside of its range; otherwise, a remark if their combination
            is unusual (Mahalanobis 1936); empty if nothing is unusual.
        """
        found = {name: float(values[0]) for name, values in describe(image[None, ..., None]).items()}
        remarks = []
        for name, (low, high) in self.ranges.items():
            margin = MARGIN * (high - low)
            if not low - margin <= found[name] <= high + margin:
                remarks.append(f"unlike the training films: {name} {found[name]:.3f}, theirs {low:.3f} to {high:.3f}")
        [distance] = _distances(np.array([list(found.values())]), self.mean, self.inverse_covariance)
        if not remarks and distance > (1 + MARGIN) * self.distance:
            listed = ", ".join(self.ranges)
            remarks.append(
                f"unlike the training films: {listed} together {distance:.1f} standard deviations from their mean, "
                f"{USUAL:.1%} of them at most {self.distance:.1f}"
            )
        return remarks

    def as_json(self) -> dict[str, Any]:
        """Returns the values for a JSON file."""
        return {
            "ranges": {name: {"meaning": STATISTICS[name], "smallest": low, "largest": high}
                       for name, (low, high) in self.ranges.items()},
            "mean": self.mean.tolist(),
            "inverse_covariance": self.inverse_covariance.tolist(),
            "distance": self.distance,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FilmStatistics":
        """The inverse of `as_json`.

        Raises:
            LookupError, TypeError, ValueError: the values are not those of `as_json`.
        """
        ranges = {name: (float(values["ranges"][name]["smallest"]), float(values["ranges"][name]["largest"]))
                  for name in STATISTICS}  # fmt: skip
        count = len(STATISTICS)
        mean, inverse = (np.array(values[name], np.float64) for name in ("mean", "inverse_covariance"))
        return cls(ranges, mean.reshape(count), inverse.reshape(count, count), float(values["distance"]))


def _distances(table: np.ndarray, mean: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Returns the (N,) Mahalanobis distances of (N, S) statistics to their mean."""
    from_mean = table - mean
    return np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", from_mean, inverse, from_mean), 0))


def _describe_one(image: np.ndarray) -> dict[str, float]:
    """Computes the statistics of one (H, W) uint16 image, from exact sums of integers."""
    film = image > 0
    area = int(film.sum())
    values = image.astype(np.int64)
    total, squares = int(values.sum()), int(np.square(values).sum())
    deviation = max(area * squares - total * total, 0) ** 0.5 / max(area, 1)
    half = image.shape[1] // 2
    left, right = int(values[:, :half].sum()), int(values[:, -half:].sum())
    neighbours = [
        (film[1:] & film[:-1], np.abs(np.diff(values, axis=0))),
        (film[:, 1:] & film[:, :-1], np.abs(np.diff(values, axis=1))),
    ]
    pairs = sum(int(both.sum()) for both, _ in neighbours)
    differences = sum(int(found[both].sum()) for both, found in neighbours)
    return {
        "black": 1 - area / film.size,
        "dark": int((film & (image < DARK)).sum()) / max(area, 1),
        "brightness": total / max(area, 1) / schema.PIXEL_MAX,
        "contrast": deviation / schema.PIXEL_MAX,
        "asymmetry": abs(left - right) / max(left + right, 1),
        "roughness": differences / max(pairs, 1) / deviation if deviation else 0.0,
    }
