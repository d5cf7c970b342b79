"""Computes areas under ROC curves, and those of the draws of a bootstrap."""

from collections.abc import Sequence

import numpy as np
from sklearn import metrics

from trainer.results.bootstrap import Statistic


def area(is_positive: np.ndarray, score: np.ndarray) -> float | None:
    """Computes the area under the ROC curve; None if all items are positive or none is.

    Args:
        is_positive: (N,) bool.
        score: (N,) floats; higher for items that are more likely positive.
    """
    if is_positive.all() or not is_positive.any():
        return None
    return float(metrics.roc_auc_score(is_positive, score))


def areas_by_category(labels: np.ndarray, probabilities: np.ndarray) -> list[float | None]:
    """Computes the area under the one-versus-rest ROC curve of each category.

    Args:
        labels: (N,) integers, 0 to K - 1.
        probabilities: (N, K) floats.
    """
    return [area(labels == label, probabilities[:, label]) for label in range(probabilities.shape[1])]


def mean(values: Sequence[float | None]) -> float | None:
    """Returns the mean; None if a value is None."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if len(defined) == len(values) else None


def area_statistic(is_positive: np.ndarray, score: np.ndarray, clusters: np.ndarray) -> Statistic:
    """Returns a function that computes the area of each draw: (D,) float64, NaN where undefined.

    The area is the share of the pairs of a positive and a negative item in which the positive one has the higher score;
    equal scores count half (Hanley and McNeil 1982). An item counts as often as its cluster was drawn.

    Args:
        is_positive: (N,) bool.
        score: (N,) floats.
        clusters: (N,) integers, the cluster of each item.
    """
    order = np.argsort(score[~is_positive], kind="stable")
    negatives, negative_clusters = score[~is_positive][order], clusters[~is_positive][order]
    positive_clusters = clusters[is_positive]
    below = np.searchsorted(negatives, score[is_positive], "left")  # negatives with a lower score
    up_to = np.searchsorted(negatives, score[is_positive], "right")  # and with an equal one

    def statistic(weights: np.ndarray) -> np.ndarray:
        counts = np.zeros((len(weights), len(negatives) + 1))
        np.cumsum(weights[:, negative_clusters], axis=1, out=counts[:, 1:])
        positive_weights = weights[:, positive_clusters]
        pairs = positive_weights.sum(axis=1) * counts[:, -1]
        won = (positive_weights * (counts[:, below] + counts[:, up_to])).sum(axis=1) / 2
        with np.errstate(invalid="ignore"):
            return won / pairs

    return statistic
