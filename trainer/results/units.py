"""Combines the predictions for the images of a breast, or of a patient, into one: the mean of their probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from preprocess.contract import schema
from trainer.results.names import breast_in

UnitIn = Callable[[str], str | None]
"""From the name of an image to its unit; None if the name does not tell it."""

BREASTS: UnitIn = breast_in
PATIENTS: UnitIn = schema.patient_in


@dataclass(frozen=True)
class Units:
    """U units (breasts or patients) with images.

    Attributes:
        of_image: (N,) integers, the unit of each image from 0; -1 if it is unknown.
        probabilities: (U, K) float64, the mean of the probabilities of the images of each unit.
    """

    of_image: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """(U,) int64, the most probable label of each unit; the lowest of several with equal probabilities."""
        return self.probabilities.argmax(axis=1)

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Returns (U,) int64, the label of each unit; -1 if its images have different ones.

        Args:
            labels: (N,) integers, of the images.
        """
        known = self.of_image >= 0
        count = len(self.probabilities)
        low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
        np.minimum.at(low, self.of_image[known], labels[known])
        np.maximum.at(high, self.of_image[known], labels[known])
        return np.where(low == high, high, -1)

    def clusters(self, clusters: np.ndarray) -> np.ndarray:
        """Returns (U,) integers, the cluster of each unit.

        Args:
            clusters: (N,) integers, of the images; the same for all images of a unit.
        """
        found = np.zeros(len(self.probabilities), clusters.dtype)
        known = self.of_image >= 0
        found[self.of_image[known]] = clusters[known]
        return found


def combine(names: Sequence[str], probabilities: np.ndarray, unit_in: UnitIn) -> Units:
    """Computes the mean probabilities of each unit.

    Args:
        names: N names of images.
        probabilities: (N, K) floats.
        unit_in: `BREASTS` or `PATIENTS`.
    """
    keys = [unit_in(name) for name in names]
    order = {key: number for number, key in enumerate(sorted({key for key in keys if key is not None}))}
    of_image = np.array([-1 if key is None else order[key] for key in keys], np.int64)
    known = of_image >= 0
    sums = np.zeros((len(order), probabilities.shape[1]))
    np.add.at(sums, of_image[known], probabilities[known].astype(np.float64))
    counts = np.bincount(of_image[known], minlength=len(order))
    return Units(of_image, sums / counts[:, None])
