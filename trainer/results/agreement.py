"""Computes accuracy and quadratic weighted kappa, the agreement of predicted and true categories, with intervals."""

import math
from dataclasses import dataclass

import numpy as np
from sklearn import metrics

from trainer.results.bootstrap import Estimate, Statistic, estimate


@dataclass(frozen=True)
class Categorized:
    """Items (images, breasts or patients) with true and predicted categories.

    Attributes:
        labels, predicted: (N,) integers, 0 to K - 1.
        clusters: (N,) integers, the cluster of the bootstrap to which each item belongs.
        categories: K.
    """

    labels: np.ndarray
    predicted: np.ndarray
    clusters: np.ndarray
    categories: int

    def select(self, chosen: np.ndarray) -> "Categorized":
        """Returns the items for which a (N,) bool array is true."""
        return Categorized(self.labels[chosen], self.predicted[chosen], self.clusters[chosen], self.categories)

    def statistic(self, clusters: int) -> Statistic:
        """Returns a function that computes the confusion matrix of each draw, flattened: (D, K * K) float64.

        In a draw, the items of a cluster count as often as the cluster was drawn.

        Args:
            clusters: the number of clusters of the bootstrap.
        """
        cells = np.zeros((clusters, self.categories**2))
        np.add.at(cells, (self.clusters, self.labels * self.categories + self.predicted), 1)
        return lambda weights: weights @ cells


@dataclass(frozen=True)
class Agreement:
    """The agreement of predicted and true categories.

    Attributes:
        count: the number of items.
        accuracy: the share of the items whose predicted category is the true one.
        kappa: Cohen's kappa with quadratic weights (Cohen 1968); undefined if all true and predicted categories are
            the same.
    """

    count: int
    accuracy: Estimate
    kappa: Estimate


def measure_agreement(items: Categorized, confusions: np.ndarray) -> Agreement:
    """Computes accuracy and kappa of at least one item.

    Args:
        confusions: the draws of `items.statistic`.
    """
    accuracy = metrics.accuracy_score(items.labels, items.predicted)
    accuracies, kappas = scores_of_draws(confusions)
    return Agreement(
        len(items.labels),
        estimate(accuracy, accuracies),
        estimate(kappa(items.labels, items.predicted, items.categories), kappas),
    )


def scores_of_draws(confusions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes the accuracies and kappas of draws, each (D,) float64; NaN where undefined.

    Args:
        confusions: (D, K * K) counts.
    """
    categories = math.isqrt(confusions.shape[1])
    matrices = confusions.reshape(-1, categories, categories)
    with np.errstate(invalid="ignore"):  # a draw may contain no item
        accuracies = np.trace(matrices, axis1=1, axis2=2) / matrices.sum(axis=(1, 2))
    return accuracies, quadratic_kappa(matrices)


def quadratic_kappa(confusions: np.ndarray) -> np.ndarray:
    """Computes quadratic weighted kappas from confusion matrices.

    Args:
        confusions: (..., K, K) counts; rows are true categories.

    Returns:
        (...) float64; NaN for a matrix whose images all have the same true and predicted category.
    """
    categories = confusions.shape[-1]
    distance = np.subtract.outer(np.arange(categories), np.arange(categories)) ** 2
    expected = confusions.sum(axis=-1)[..., :, None] * confusions.sum(axis=-2)[..., None, :]
    observed_sum = (distance * confusions).sum(axis=(-2, -1)) * confusions.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore"):
        return 1 - observed_sum / (distance * expected).sum(axis=(-2, -1))


def kappa(labels: np.ndarray, predicted: np.ndarray, categories: int) -> float:
    """Computes the quadratic weighted kappa of (N,) true and predicted labels, 0 to K - 1; NaN if undefined."""
    if len(np.union1d(labels, predicted)) < 2:
        return math.nan
    return metrics.cohen_kappa_score(labels, predicted, labels=range(categories), weights="quadratic")
