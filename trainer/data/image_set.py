"""A set of labelled images in memory, its statistics and class weights. 3,103 images of 128 x 95 pixels take 75 MB."""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preprocess.contract import schema
from preprocess.runtime.errors import InputError
from trainer.data.preparation import Preparation

_NAME = re.compile(r"\d+_(.+)", re.DOTALL)


@dataclass(frozen=True)
class ImageSet:
    """Labelled images in a fixed order.

    Attributes:
        source: the folder or the patterns from which they were read, for messages.
        names: N names "<density>_<mammogram ID>"; "" for an image without a name.
        pixels: (N, H, W, 1) uint16.
        labels: (N,) int64, the density category minus 1.
        categories: number of possible labels.
        preparation: how the images were made from films; None if it is unknown.
    """

    source: str
    names: tuple[str, ...]
    pixels: np.ndarray
    labels: np.ndarray
    categories: int
    preparation: Preparation | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> list[int]:
        """The number of images of each category."""
        return np.bincount(self.labels, minlength=self.categories).tolist()

    @property
    def absent(self) -> list[int]:
        """The density categories without images."""
        return [label + 1 for label, count in enumerate(self.counts) if count == 0]

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels and labels in their order; equal for PNGs and records of the same images."""
        found = hashlib.sha256(repr(self.pixels.shape).encode())
        found.update(np.ascontiguousarray(self.pixels, "<u2").data)
        found.update(np.ascontiguousarray(self.labels, "<i8").data)
        return found.hexdigest()

    def subset(self, chosen: np.ndarray) -> "ImageSet":
        """Returns the images for which (N,) bool is true, in their order."""
        names = tuple(name for name, is_chosen in zip(self.names, chosen, strict=True) if is_chosen)
        return dataclasses.replace(self, names=names, pixels=self.pixels[chosen], labels=self.labels[chosen])


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of all pixel values of a training set, correctly rounded to float64.

    Attributes:
        mean: 0 to 65535.
        variance: in squared pixel values.
    """

    mean: float
    variance: float


def compute_statistics(pixels: np.ndarray) -> Statistics:
    """Computes the statistics of (N, H, W, 1) uint16 pixels.

    The sums are exact integers, so the result does not depend on the order of the images.
    """
    total = sum(int(image.sum(dtype=np.uint64)) for image in pixels)
    squares = sum(int(np.square(image, dtype=np.uint64).sum()) for image in pixels)
    count = pixels.size
    return Statistics(total / count, (count * squares - total * total) / (count * count))


def class_weights(counts: Sequence[int], balanced: bool) -> list[float]:
    """Returns the factor of the loss for each category.

    Args:
        counts: the number of images of each category.
        balanced: whether the factor is N / (number of categories with images * images of the category), 0 for a
            category without images; otherwise all factors are 1.
    """
    if not balanced:
        return [1.0] * len(counts)
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]


def mammogram_in(name: str) -> str:
    """Returns the mammogram ID in an image name; a name without a density category is returned unchanged."""
    match = _NAME.fullmatch(name)
    return match[1] if match else name


def check_disjoint(training: ImageSet, evaluation: ImageSet) -> None:
    """Checks that no image is in both sets: the metrics would be those of images on which the model was trained.

    Images without names are compared as whole sets only.

    Raises:
        InputError: an image is in both sets.
    """
    mammograms = [{mammogram_in(name) for name in images.names if name} for images in (training, evaluation)]
    shared = sorted(mammograms[0] & mammograms[1])
    if shared or training.digest == evaluation.digest:
        what = shared[0] if shared else "the same images"
        more = f" and {len(shared) - 1:,} more" if len(shared) > 1 else ""
        raise InputError(
            f"{training.source} and {evaluation.source} both contain {what}{more}; a model is evaluated on images on "
            f"which it is not trained: remove them from one of the two"
        )


def shared_patients(one: ImageSet, other: ImageSet) -> list[str]:
    """Returns the patients with images in both sets, sorted; images without names are skipped."""
    found = [{schema.patient_in(name) for name in images.names} - {None} for images in (one, other)]
    return sorted(patient for patient in found[0] & found[1] if patient)
