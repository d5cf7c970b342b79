"""Fits the temperature of a model."""

import numpy as np
from scipy.optimize import minimize_scalar

from trainer.results.scores import cross_entropy

LIMITS = (0.25, 4.0)
"""The smallest and the largest temperature."""


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """Returns the temperature with the lowest mean cross-entropy (Guo et al. 2017, On calibration of neural networks).

    Args:
        labels: (N,) integers, the true labels, 0 to K - 1.
        logits: (N, K) floats; the probabilities are softmax(logits / temperature).
    """
    wide = logits.astype(np.float64)

    def loss(temperature: float) -> float:
        return cross_entropy(labels, wide / temperature)

    return float(minimize_scalar(loss, bounds=LIMITS, method="bounded").x)
