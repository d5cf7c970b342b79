"""Computes the scores of a validation, without intervals."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from trainer.results import roc
from trainer.results.agreement import kappa


class Scores(NamedTuple):
    """The scores of N images; NaN if undefined.

    Attributes:
        loss: the mean cross-entropy in nats, without class weights.
        accuracy: the share of images whose most probable category is the true one.
        quadratic_weighted_kappa: Cohen's kappa with quadratic weights.
        macro_auc: the mean area under the one-versus-rest ROC curves of the categories.
    """

    loss: float
    accuracy: float
    quadratic_weighted_kappa: float
    macro_auc: float


def compute_scores(labels: np.ndarray, logits: np.ndarray) -> Scores:
    """Computes the scores of N predictions.

    Args:
        labels: (N,) integers, the true labels, 0 to K - 1.
        logits: (N, K) floats.
    """
    predicted = logits.argmax(axis=1)
    auc = roc.mean(roc.areas_by_category(labels, softmax(logits.astype(np.float64), axis=1)))
    return Scores(
        cross_entropy(labels, logits),
        float(np.mean(labels == predicted)),
        float(kappa(labels, predicted, logits.shape[1])),
        math.nan if auc is None else auc,
    )


def cross_entropy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Computes the mean cross-entropy in nats; the largest logit is subtracted to avoid an overflow.

    Args:
        labels, logits: see `compute_scores`.
    """
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sums - shifted[np.arange(len(labels)), labels]))
