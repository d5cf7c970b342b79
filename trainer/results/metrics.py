"""Computes metrics of a density classifier, with 95 % intervals.

The metrics are computed with scikit-learn. The intervals are percentiles of a bootstrap. It resamples patients if the
patient of every image is known from its name, and images otherwise. The two views of a breast resemble each other, so
treating them as independent images would make the intervals too narrow.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sklearn import metrics

from preprocess.contract import schema

DRAWS = 10_000  # samples of the bootstrap
INTERVAL = (2.5, 97.5)  # percentiles
_PIECE = 4_000_000  # numbers of draws and clusters in memory at a time: 32 MB


@dataclass(frozen=True)
class Estimate:
    """A metric and the bounds of its 95 % interval; None if undefined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Metrics:
    """Metrics of a model on N images.

    Attributes:
        images: N.
        accuracy: the share of images whose most probable category is the true one.
        kappa: Cohen's kappa with quadratic weights (Cohen 1968); undefined if all true and predicted categories are
            the same.
        loss: mean cross-entropy in nats, without class weights.
        auc: the mean over the categories of `auc_by_category`; undefined if one of them is.
        auc_by_category: area under the one-versus-rest ROC curve of each category; None if no image or every image has
            this category.
        recall: of each category; None if no image has this category.
        confusion: K x K image counts; rows are true categories, columns predicted ones.
        majority_category, majority_accuracy: the most frequent category, and the accuracy of always predicting it.
        resampled: what the bootstrap resamples, "patients" or "images".
    """

    images: int
    accuracy: Estimate
    kappa: Estimate
    loss: float
    auc: float | None
    auc_by_category: list[float | None]
    recall: list[float | None]
    confusion: list[list[int]]
    majority_category: int
    majority_accuracy: float
    resampled: str

    def as_dict(self) -> dict:
        """Returns the content of `metrics.json`, without step, precision and seed."""
        return asdict(self)


def compute_metrics(
    labels: np.ndarray, logits: np.ndarray, probabilities: np.ndarray, names: Sequence[str], seed: int = 0
) -> Metrics:
    """Computes the metrics of N predictions.

    Args:
        labels: (N,) integers, the true labels, 0 to K - 1.
        logits, probabilities: (N, K) floats.
        names: N names of images; "" if unknown.
        seed: of the bootstrap.
    """
    categories = logits.shape[1]
    predicted = logits.argmax(axis=1)
    confusion = metrics.confusion_matrix(labels, predicted, labels=range(categories))
    clusters, resampled = _clusters(names)
    accuracies, kappas = _bootstrap(labels, predicted, clusters, categories, seed)
    totals = confusion.sum(axis=1)
    aucs = [_auc(labels == label, probabilities[:, label]) for label in range(categories)]
    return Metrics(
        images=len(labels),
        accuracy=_estimate(metrics.accuracy_score(labels, predicted), accuracies),
        kappa=_estimate(_kappa(labels, predicted, categories), kappas),
        loss=_cross_entropy(labels, logits.astype(np.float64)),
        auc=_mean(aucs),
        auc_by_category=aucs,
        recall=[float(confusion[label, label] / total) if total else None for label, total in enumerate(totals)],
        confusion=confusion.tolist(),
        majority_category=int(totals.argmax()) + 1,
        majority_accuracy=float(totals.max() / len(labels)),
        resampled=resampled,
    )


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


def format_metrics(found: Metrics) -> str:
    """Formats the metrics as the table that a run prints."""
    rows = [
        _row("accuracy", found.accuracy),
        _row("quadratic weighted kappa", found.kappa),
        f"{'macro AUC, one versus rest':28}{_number(found.auc)}",
        f"{'loss':28}{found.loss:.3f}",
        f"{'best constant guess':28}{found.majority_accuracy:.3f}  (density {found.majority_category})",
        "",
        f"{'predicted':14}" + "".join(f"{category:>7}" for category in range(1, len(found.recall) + 1)) + "   recall",
    ]
    for category, (counts, recall) in enumerate(zip(found.confusion, found.recall, strict=True), 1):
        cells = "".join(f"{count:>7,}" for count in counts)
        rows.append(f"{f'density {category}':14}{cells}    {_number(recall)}")
    return "\n".join([*rows, f"(95 % intervals: bootstrap over {found.resampled})"])


def _bootstrap(
    labels: np.ndarray, predicted: np.ndarray, clusters: np.ndarray, categories: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws clusters with replacement; returns the accuracies and kappas of the draws, each (DRAWS,) float64.

    In a draw, the images of a cluster are weighted by the number of times that the cluster was drawn.

    Args:
        labels, predicted: (N,) integers.
        clusters: (N,) integers, the cluster of each image, numbered from 0.
    """
    number = clusters.max() + 1
    cells = np.zeros((number, categories * categories))
    np.add.at(cells, (clusters, labels * categories + predicted), 1)
    rng, share = np.random.default_rng(seed), np.full(number, 1 / number)
    sizes = _pieces(DRAWS, max(1, _PIECE // number))
    confusions = np.concatenate([rng.multinomial(number, share, size=size) @ cells for size in sizes])
    confusions = confusions.reshape(DRAWS, categories, categories)
    accuracies = np.trace(confusions, axis1=1, axis2=2) / confusions.sum(axis=(1, 2))
    return accuracies, quadratic_kappa(confusions)


def _pieces(total: int, largest: int) -> list[int]:
    """Divides a total into pieces of at most `largest`."""
    return [min(largest, total - start) for start in range(0, total, largest)]


def _clusters(names: Sequence[str]) -> tuple[np.ndarray, str]:
    """Returns (N,) integers, the cluster of each image, and "patients" or "images": what a cluster is."""
    patients = [schema.patient_in(name) or "" for name in names]
    if "" in patients:
        return np.arange(len(names)), "images"
    return np.unique(patients, return_inverse=True)[1], "patients"


def _kappa(labels: np.ndarray, predicted: np.ndarray, categories: int) -> float:
    """Computes the quadratic weighted kappa; NaN if undefined."""
    if len(np.union1d(labels, predicted)) < 2:
        return math.nan
    return metrics.cohen_kappa_score(labels, predicted, labels=range(categories), weights="quadratic")


def _auc(is_category: np.ndarray, probability: np.ndarray) -> float | None:
    """Computes the area under the ROC curve of one category versus the rest; None if undefined."""
    if is_category.all() or not is_category.any():
        return None
    return float(metrics.roc_auc_score(is_category, probability))


def _mean(values: Sequence[float | None]) -> float | None:
    """Returns the mean; None if a value is None."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if len(defined) == len(values) else None


def _cross_entropy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Computes the mean cross-entropy in nats; the largest logit is subtracted to avoid an overflow."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sums - shifted[np.arange(len(labels)), labels]))


def _estimate(value: float, draws: np.ndarray) -> Estimate:
    """Combines a metric with the percentiles of its bootstrap draws; NaN means undefined."""
    defined = draws[~np.isnan(draws)]
    if math.isnan(value) or not len(defined):
        return Estimate(None, None, None)
    low, high = np.percentile(defined, INTERVAL)
    return Estimate(float(value), float(low), float(high))


def _row(label: str, estimate: Estimate) -> str:
    interval = "" if estimate.low is None else f"  [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{label:28}{_number(estimate.value)}{interval}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
