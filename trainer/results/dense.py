"""Computes how well a model separates dense breasts (categories 3 and 4) from non-dense ones (1 and 2)."""

from dataclasses import dataclass

import numpy as np

from trainer.results.bootstrap import Estimate, Statistic, estimate
from trainer.results.roc import area, area_statistic

CATEGORIES = 4
"""The number of categories for which dense and non-dense are defined."""

FALSE_SHARE = 10
"""At most one of this many non-dense images may be called dense: a specificity of at least 0.9."""


@dataclass(frozen=True)
class Dense:
    """Dense against non-dense images, by the probability that the density category is 3 or 4.

    An image is called dense if this probability is at least the threshold. The threshold is the lowest one with a
    specificity of at least 0.9 on the same images, so sensitivity and specificity on other images will differ.

    Attributes:
        dense_images, non_dense_images: their numbers, by the true category.
        auc: area under the ROC curve.
        threshold: with the digits of `probability_dense` in predictions.csv; None if each of them has a lower
            specificity, so that no image may be called dense.
        sensitivity: the share of the dense images that are called dense; None without dense images.
        specificity: the share of the non-dense images that are not called dense; None without non-dense images.
        dense_found, non_dense_called_dense: the numbers of dense and of non-dense images that are called dense.
    """

    dense_images: int
    non_dense_images: int
    auc: Estimate
    threshold: float | None
    sensitivity: float | None
    specificity: float | None
    dense_found: int
    non_dense_called_dense: int


def dense_probability(probabilities: np.ndarray) -> np.ndarray:
    """Returns the sum of the probabilities of categories 3 and 4: (N,) in the type of (N, 4) floats."""
    return probabilities[:, 2] + probabilities[:, 3]


def is_dense(labels: np.ndarray) -> np.ndarray:
    """Returns (N,) bool, whether the labels, 0 to 3, are those of categories 3 and 4."""
    return labels >= 2


def dense_statistic(labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray) -> Statistic:
    """Returns a function that computes the area under the ROC curve of each draw: (D,) float64.

    Args:
        labels, clusters: (N,) integers.
        probabilities: (N, 4) floats.
    """
    return area_statistic(is_dense(labels), dense_probability(probabilities), clusters)


def measure_dense(labels: np.ndarray, probabilities: np.ndarray, areas: np.ndarray) -> Dense:
    """Computes the separation of dense and non-dense images.

    Args:
        labels: (N,) integers, 0 to 3.
        probabilities: (N, 4) floats.
        areas: the draws of `dense_statistic`.
    """
    score, positive = dense_probability(probabilities), is_dense(labels)
    found, non_dense = np.sort(score[positive]), np.sort(score[~positive])
    thresholds = np.unique(score)
    false = len(non_dense) - np.searchsorted(non_dense, thresholds, "left")
    allowed = thresholds[FALSE_SHARE * false <= len(non_dense)]
    threshold = allowed[0] if len(allowed) else np.inf
    dense_found = int((found >= threshold).sum())
    called_dense = int((non_dense >= threshold).sum())
    return Dense(
        dense_images=len(found),
        non_dense_images=len(non_dense),
        auc=estimate(area(positive, score), areas),
        threshold=float(str(threshold)) if len(allowed) else None,
        sensitivity=dense_found / len(found) if len(found) else None,
        specificity=1 - called_dense / len(non_dense) if len(non_dense) else None,
        dense_found=dense_found,
        non_dense_called_dense=called_dense,
    )
