"""The table of predictions, `predictions.csv`."""

import csv
import io

from trainer.data.image_set import ImageSet
from trainer.results.evaluation import Predictions


def format_predictions(images: ImageSet, predictions: Predictions) -> bytes:
    """Formats a CSV with one row for each image, in the order of the set.

    Its columns are the name, the true density category, the predicted one, and the probability of each category.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    categories = range(1, images.categories + 1)
    table.writerow(("name", "density", "predicted", *(f"probability_{category}" for category in categories)))
    for name, label, predicted, row in zip(
        images.names, images.labels, predictions.labels, predictions.probabilities, strict=True
    ):
        table.writerow((name, label + 1, predicted + 1, *map(str, row)))
    return text.getvalue().encode()
