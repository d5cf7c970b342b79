"""Compares the probabilities of a model with how often it is right: expected calibration error, reliability plot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True)
class Bin:
    """The images whose highest probability is above `low` and at most `high`.

    Attributes:
        confidence: the mean of their highest probabilities; None without images.
        accuracy: the share of them whose predicted category is the true one; None without images.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """How well the highest probability of an image agrees with the accuracy.

    Attributes:
        expected_error: the expected calibration error: the mean over the images of the difference between confidence
            and accuracy of their bin (Guo et al. 2017, On calibration of modern neural networks).
        bins: 15 bins of equal width from 0 to 1.
        temperature: by which the logits were divided; 1 if the model is not calibrated.
    """

    expected_error: float
    bins: Sequence[Bin]
    temperature: float


def measure_calibration(is_right: np.ndarray, probabilities: np.ndarray, temperature: float) -> Calibration:
    """Computes the calibration of N predictions.

    Args:
        is_right: (N,) bool, whether the predicted category is the true one.
        probabilities: (N, K) floats.
        temperature: by which the logits were divided.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    edges = np.arange(BINS + 1) / BINS
    place = np.digitize(confidence, edges[1:-1], right=True)
    bins, error = [], 0.0
    for number in range(BINS):
        inside = place == number
        low, high, count = float(edges[number]), float(edges[number + 1]), int(inside.sum())
        if not count:
            bins.append(Bin(low, high, 0, None, None))
            continue
        mean, accuracy = float(confidence[inside].mean()), float(is_right[inside].mean())
        bins.append(Bin(low, high, count, mean, accuracy))
        error += count / len(is_right) * abs(mean - accuracy)
    return Calibration(error, bins, temperature)
