from fractions import Fraction

import numpy as np
import pytest

from tests.support.labelled import labelled_images
from trainer.data.image_set import ImageSet, class_weights, compute_statistics, shared_patients


def image_set(names, pixels, labels, categories=4):
    return ImageSet("somewhere", tuple(names), pixels[..., None], np.asarray(labels, np.int64), categories)


@pytest.mark.parametrize("pixels", [
    np.random.default_rng(0).integers(0, 65536, (7, 5, 3, 1)).astype(np.uint16),
    np.full((50, 128, 95, 1), 65535, np.uint16),
    np.array([1, 2], np.uint16).reshape(2, 1, 1, 1),
])  # fmt: skip
def test_statistics_are_exact(pixels):
    values = [int(value) for value in pixels.ravel()]
    mean = Fraction(sum(values), len(values))
    variance = sum((value - mean) ** 2 for value in set(values)) if len(set(values)) == 1 else None
    if variance is None:
        variance = sum((value - mean) ** 2 for value in values) / len(values)
    statistics = compute_statistics(pixels)
    assert (statistics.mean, statistics.variance) == (float(mean), float(variance))


def test_balanced_weights_give_each_category_the_same_weight():
    assert class_weights([10, 20, 5, 5], balanced=True) == [1.0, 0.5, 2.0, 2.0]
    assert class_weights([10, 0, 30, 0], balanced=True) == [2.0, 0.0, 2 / 3, 0.0]
    assert class_weights([10, 0, 30, 0], balanced=False) == [1.0] * 4


def test_counts_and_absent_categories():
    images = image_set(*labelled_images(3))
    assert (images.counts, images.absent, len(images)) == ([1, 1, 1, 0], [4], 3)


def test_the_digest_depends_on_pixels_labels_and_order():
    names, pixels, labels = labelled_images(6)
    digest = image_set(names, pixels, labels).digest
    assert image_set([""] * 6, pixels.copy(), labels.tolist()).digest == digest
    assert image_set(names, pixels[::-1], labels[::-1]).digest != digest
    assert image_set(names, pixels, (labels + 1) % 4).digest != digest
    assert image_set(names, pixels.reshape(6, 12, 16), labels).digest != digest


def test_shared_patients_are_found():
    one = image_set(["1_Calc-Training_P_00001_LEFT_CC", "1_Calc-Training_P_00002_LEFT_CC", ""], *labelled_images(3)[1:])
    other = image_set(["2_Mass-Test_P_00002_RIGHT_MLO", "3_x", ""], *labelled_images(3)[1:])
    assert shared_patients(one, other) == ["P_00002"]
    assert shared_patients(one, image_set(["", "", ""], *labelled_images(3)[1:])) == []
