"""Computes the scores of a validation, without intervals."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax
from sklearn import metrics


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
    logs, predicted, categories = log_softmax(logits.astype(np.float64), axis=1), logits.argmax(axis=1), logits.shape[1]
    kappa, auc = math.nan, math.nan
    if len(np.union1d(labels, predicted)) > 1:
        kappa = metrics.cohen_kappa_score(labels, predicted, labels=range(categories), weights="quadratic")
    if len(np.unique(labels)) == categories:
        auc = np.mean([metrics.roc_auc_score(labels == label, np.exp(logs[:, label])) for label in range(categories)])
    loss = -logs[np.arange(len(labels)), labels].mean()
    return Scores(float(loss), float(np.mean(labels == predicted)), float(kappa), float(auc))
