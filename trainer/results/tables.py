"""The table of predictions, `predictions.csv`."""

import csv
import io
from collections.abc import Iterator

import numpy as np

from trainer.data.image_set import ImageSet
from trainer.results import dense, units
from trainer.results.evaluation import Predictions
from trainer.results.units import UnitIn


def format_predictions(images: ImageSet, predictions: Predictions) -> bytes:
    """Formats a CSV with one row for each image, in the order of the set.

    Its columns are the name, the true density category, the predicted one, and the probability of each category; with
    four categories, the probability that the breast is dense (category 3 or 4); the category with the highest mean
    probability over the images of the same breast, and of the same patient, empty if the name does not tell it.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_columns(images.categories))
    probabilities = predictions.probabilities
    by_breast, by_patient = (_predicted(images, probabilities, unit) for unit in (units.BREASTS, units.PATIENTS))
    for number, name in enumerate(images.names):
        row = probabilities[number : number + 1]
        cells = [*row[0], *(dense.dense_probability(row) if images.categories == dense.CATEGORIES else ())]
        category, predicted = images.labels[number] + 1, predictions.labels[number] + 1
        table.writerow((name, category, predicted, *map(str, cells), next(by_breast), next(by_patient)))
    return text.getvalue().encode()


def _columns(categories: int) -> list[str]:
    probabilities = [f"probability_{category}" for category in range(1, categories + 1)]
    if categories == dense.CATEGORIES:
        probabilities.append("probability_dense")
    return ["name", "density", "predicted", *probabilities, "predicted_breast", "predicted_patient"]


def _predicted(images: ImageSet, probabilities: np.ndarray, unit_in: UnitIn) -> Iterator[str]:
    """Yields the category that is predicted for the unit of each image; "" if the unit is unknown."""
    found = units.combine(images.names, probabilities, unit_in)
    categories = [str(label + 1) for label in found.predicted]
    for unit in found.of_image:
        yield "" if unit < 0 else categories[unit]
