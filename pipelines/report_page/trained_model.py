"""Reads the results of a training from the files in its model folder."""

import csv
import io
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preprocess.files import storage
from preprocess.runtime.errors import InputError
from trainer.model_dir.folder import (  # fmt: skip
    HISTORY_COLUMNS,
    HISTORY_FILE,
    IDENTITY_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    SPEED_COLUMNS,
    SPEED_FILE,
    VALIDATION_COLUMNS,
    VALIDATION_FILE,
)

WORST_COUNT = 12
_PROBABILITY = re.compile(r"probability_\d+")


@dataclass(frozen=True)
class Prediction:
    """The prediction for one evaluation image.

    Attributes:
        name: of the image, see `preprocess.contract.schema`.
        density: the true category.
        predicted: the category with the highest probability.
        probabilities: one for each category.
    """

    name: str
    density: int
    predicted: int
    probabilities: Sequence[float]

    @property
    def true_probability(self) -> float:
        """The probability of the true category."""
        return self.probabilities[self.density - 1]


@dataclass(frozen=True)
class Speed:
    """The speed of a training: medians over the rows of `speed.csv`.

    Attributes:
        device: of the last row, e.g. "one CPU (2 cores)".
    """

    steps_per_second: float
    images_per_second: float
    device: str


@dataclass(frozen=True)
class TrainedModel:
    """The results of one training.

    Attributes:
        path: of the model folder, as the user wrote it.
        identity: the content of `training.json`.
        steps, losses, accuracies: the columns of `history.csv`, one value for each step.
        validations: the columns of `validation.csv`, one value for each validation; empty without validations.
        metrics: the content of `metrics.json`; None if the model was not evaluated.
        worst_predictions: those with the lowest probability of the true category, the lowest first.
        speed: None if `speed.csv` is missing or has no row.
    """

    path: str
    identity: Mapping
    steps: Sequence[int]
    losses: Sequence[float]
    accuracies: Sequence[float]
    validations: Mapping[str, Sequence[float]]
    metrics: Mapping | None
    worst_predictions: Sequence[Prediction]
    speed: Speed | None


def read_model(path: str) -> TrainedModel:
    """Reads a model folder that a trainer wrote.

    Raises:
        InputError: the folder contains no model, or a file of it is damaged.
    """
    root = storage.absolute(path)
    identity, history = _read_text(root, IDENTITY_FILE), _read_text(root, HISTORY_FILE)
    if identity is None or history is None:
        raise InputError(f"{root}: contains no {IDENTITY_FILE} or no {HISTORY_FILE}; name the --model_dir of a trainer")
    metrics, predictions = _read_text(root, METRICS_FILE), _read_text(root, PREDICTIONS_FILE)
    try:
        rows = _parse_csv(history, HISTORY_COLUMNS)
        return TrainedModel(
            path=path.rstrip("/"),
            identity=json.loads(identity),
            steps=[int(row["step"]) for row in rows],
            losses=[float(row["loss"]) for row in rows],
            accuracies=[float(row["accuracy"]) for row in rows],
            validations=_columns(_read_text(root, VALIDATION_FILE) or ""),
            metrics=json.loads(metrics) if metrics else None,
            worst_predictions=_worst_predictions(predictions or ""),
            speed=_median_speed(_read_text(root, SPEED_FILE) or ""),
        )
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{root}: a file of this model is damaged ({error}); run the trainer again") from error


def _read_text(root: str, name: str) -> str | None:
    path = storage.join(root, name)
    try:
        return storage.read(path).decode() if storage.exists(path) else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _parse_csv(text: str, columns: Sequence[str] | None = None) -> list[dict[str, str]]:
    table = csv.DictReader(io.StringIO(text, newline=""))
    if columns and text and tuple(table.fieldnames or ()) != tuple(columns):
        raise ValueError(f"columns {table.fieldnames}; expected {list(columns)}")
    return list(table)


def _columns(text: str) -> dict[str, list[float]]:
    """Returns the columns of `validation.csv`; empty if it has no rows."""
    rows = _parse_csv(text, VALIDATION_COLUMNS)
    return {name: [float(row[name]) for row in rows] for name in VALIDATION_COLUMNS} if rows else {}


def _worst_predictions(text: str) -> list[Prediction]:
    predictions = []
    for row in _parse_csv(text):
        probabilities = [float(value) for name, value in row.items() if _PROBABILITY.fullmatch(name)]
        predictions.append(Prediction(row["name"], int(row["density"]), int(row["predicted"]), probabilities))
    return sorted(predictions, key=lambda prediction: (prediction.true_probability, prediction.name))[:WORST_COUNT]


def _median_speed(text: str) -> Speed | None:
    rows = _parse_csv(text, SPEED_COLUMNS)
    if not rows:
        return None
    steps, images = (
        statistics.median(float(row[name]) for row in rows) for name in ("steps_per_second", "images_per_second")
    )
    return Speed(steps, images, rows[-1]["device"])
