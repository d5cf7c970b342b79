"""A set of labelled images in memory, and what is asked of it before training. 3,103 mammograms are 75 MB."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preprocess.contract import schema


@dataclass(frozen=True)
class ImageSet:
    """Labelled images in a fixed order.

    Attributes:
        source: where they were read, for messages.
        names: "<density>_<case>" each, or "" where the source has no names.
        pixels: (N, H, W, 1) uint16.
        labels: (N,) int64, the density category less one.
        categories: how many labels there may be.
    """

    source: str
    names: tuple[str, ...]
    pixels: np.ndarray
    labels: np.ndarray
    categories: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> list[int]:
        """How many images each category has."""
        return np.bincount(self.labels, minlength=self.categories).tolist()

    @property
    def absent(self) -> list[int]:
        """The density categories that no image has."""
        return [label + 1 for label, count in enumerate(self.counts) if count == 0]

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels and labels in their order: the same for PNGs and for records of the same images."""
        found = hashlib.sha256(repr(self.pixels.shape).encode())
        found.update(np.ascontiguousarray(self.pixels, "<u2").data)
        found.update(np.ascontiguousarray(self.labels, "<i8").data)
        return found.hexdigest()


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of all pixels of a training set, 0 to 65535 and its square; correctly rounded to float64."""

    mean: float
    variance: float


def compute_statistics(pixels: np.ndarray) -> Statistics:
    """Sums (N, H, W, 1) uint16 in whole numbers, so that no order of summing can show."""
    total = sum(int(image.sum(dtype=np.uint64)) for image in pixels)
    squares = sum(int(np.square(image, dtype=np.uint64).sum()) for image in pixels)
    count = pixels.size
    return Statistics(total / count, (count * squares - total * total) / (count * count))


def class_weights(counts: Sequence[int], balanced: bool) -> list[float]:
    """A factor of the loss for each category; balanced: N / (categories with images * images of the category)."""
    if not balanced:
        return [1.0] * len(counts)
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]


def shared_patients(one: ImageSet, other: ImageSet) -> list[str]:
    """The patients whose images are in both sets, as far as the images have names."""
    found = [{schema.patient_in(name) for name in images.names} - {None} for images in (one, other)]
    return sorted(patient for patient in found[0] & found[1] if patient)
