"""What the page shows of a model: the files that a trainer left in its folder."""

import csv
import io
import json
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
)

WORST = 12


@dataclass(frozen=True)
class Prediction:
    """What a model says of one evaluation image; `density` is the true category, `probabilities` one a category."""

    name: str
    density: int
    predicted: int
    probabilities: Sequence[float]

    @property
    def probability_of_truth(self) -> float:
        return self.probabilities[self.density - 1]


@dataclass(frozen=True)
class Speed:
    """Medians over the reports of a training; `device` is what it ran on."""

    steps_per_second: float
    images_per_second: float
    device: str


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        path: its folder or gs:// prefix, as its user wrote it.
        identity: `training.json`.
        steps, losses, accuracies: `history.csv`, one a step.
        metrics: `metrics.json`, None where it was not evaluated.
        worst: the images with the lowest probability of their true category, the lowest first.
        speed: None where no report was long enough to time.
    """

    path: str
    identity: Mapping
    steps: Sequence[int]
    losses: Sequence[float]
    accuracies: Sequence[float]
    metrics: Mapping | None
    worst: Sequence[Prediction]
    speed: Speed | None


def read_model(path: str) -> Model:
    """Reads what a trainer left.

    Raises:
        InputError: the folder holds no model, or a file of it is damaged.
    """
    root = storage.absolute(path)
    identity, history = _read(root, IDENTITY_FILE), _read(root, HISTORY_FILE)
    if identity is None or history is None:
        raise InputError(f"{root}: holds no {IDENTITY_FILE} or no {HISTORY_FILE}; name a --model_dir of a trainer")
    metrics, predictions = _read(root, METRICS_FILE), _read(root, PREDICTIONS_FILE)
    try:
        rows = _table(history, HISTORY_COLUMNS)
        return Model(
            path=path.rstrip("/"),
            identity=json.loads(identity),
            steps=[int(row["step"]) for row in rows],
            losses=[float(row["loss"]) for row in rows],
            accuracies=[float(row["accuracy"]) for row in rows],
            metrics=json.loads(metrics) if metrics else None,
            worst=_worst(predictions or ""),
            speed=_speed(_read(root, SPEED_FILE) or ""),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{root}: a file of this model is damaged ({error}); run the trainer again") from error


def _read(root: str, name: str) -> str | None:
    path = storage.join(root, name)
    try:
        return storage.read(path).decode() if storage.exists(path) else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _table(text: str, columns: Sequence[str] | None = None) -> list[dict[str, str]]:
    table = csv.DictReader(io.StringIO(text, newline=""))
    if columns and text and tuple(table.fieldnames or ()) != tuple(columns):
        raise ValueError(f"columns {table.fieldnames}")
    return list(table)


def _worst(text: str) -> list[Prediction]:
    found = []
    for row in _table(text):
        probabilities = [float(value) for name, value in row.items() if name.startswith("probability_")]
        found.append(Prediction(row["name"], int(row["density"]), int(row["predicted"]), probabilities))
    return sorted(found, key=lambda one: (one.probability_of_truth, one.name))[:WORST]


def _speed(text: str) -> Speed | None:
    rows = _table(text, SPEED_COLUMNS)
    if not rows:
        return None
    steps, images = (
        statistics.median(float(row[name]) for row in rows) for name in ("steps_per_second", "images_per_second")
    )
    return Speed(steps, images, rows[-1]["device"])
