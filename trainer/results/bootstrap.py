"""Computes 95 % intervals with a bootstrap: percentiles of statistics over draws with replacement (Efron 1979).

Patients are drawn if the patient of every image is known from its name, and images otherwise. The two views of a breast
resemble each other, so treating them as independent images would make the intervals too narrow. All statistics of an
evaluation are computed from the same draws, so that differences between two classifiers are paired.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from preprocess.contract import schema

DRAWS = 10_000
INTERVAL = (2.5, 97.5)  # percentiles
_PIECE = 4_000_000  # numbers of draws and images in memory at a time: 32 MB

Key = TypeVar("Key", bound=Hashable)
Statistic = Callable[[np.ndarray], np.ndarray]
"""From (D, C) float64, how often each of C clusters is in each of D draws, to (D, ...) float64."""


@dataclass(frozen=True)
class Estimate:
    """A metric and the bounds of its 95 % interval; None if undefined."""

    value: float | None
    low: float | None
    high: float | None


def clusters_of(names: Sequence[str]) -> tuple[np.ndarray, str]:
    """Returns (N,) integers, the cluster of each image from 0, and "patients" or "images": what a cluster is."""
    patients = [schema.patient_in(name) or "" for name in names]
    if "" in patients:
        return np.arange(len(names)), "images"
    return np.unique(patients, return_inverse=True)[1], "patients"


def resample(clusters: np.ndarray, statistics: Mapping[Key, Statistic], seed: int) -> dict[Key, np.ndarray]:
    """Draws as many clusters as there are, with replacement, 10,000 times, and computes statistics of each draw.

    Args:
        clusters: (N,) integers, the cluster of each image, numbered from 0.
        statistics: by key.

    Returns:
        key -> (DRAWS, ...) float64, the statistic of each draw.
    """
    number = int(clusters.max()) + 1
    rng, share = np.random.default_rng(seed), np.full(number, 1 / number)
    found: dict[Key, list[np.ndarray]] = {key: [] for key in statistics}
    for size in _pieces(DRAWS, max(1, _PIECE // len(clusters))):
        weights = rng.multinomial(number, share, size=size).astype(np.float64)
        for key, statistic in statistics.items():
            found[key].append(statistic(weights))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def estimate(value: float | None, draws: np.ndarray) -> Estimate:
    """Combines a metric with the percentiles of its draws.

    Args:
        value: of the metric; None or NaN if undefined.
        draws: (DRAWS,) float64; NaN where undefined, which is left out.
    """
    defined = draws[~np.isnan(draws)]
    if value is None or math.isnan(value) or not len(defined):
        return Estimate(None, None, None)
    low, high = np.percentile(defined, INTERVAL)
    return Estimate(float(value), float(low), float(high))


def _pieces(total: int, largest: int) -> list[int]:
    """Divides a total into pieces of at most `largest`."""
    return [min(largest, total - start) for start in range(0, total, largest)]
