"""Judges a model on the evaluation images, and writes the metrics, predictions and pictures to its folder."""

import json

import numpy as np

from preprocess.runtime.log import Log
from trainer.data.image_set import ImageSet
from trainer.loop.reporting import TensorBoardWriter
from trainer.model_dir.folder import BOARD_FOLDER, METRICS_FILE, PREDICTIONS_FILE, ModelDir
from trainer.model_dir.writing import atomic_replace
from trainer.results import metrics, pictures
from trainer.results.baselines import predict_baselines
from trainer.results.evaluation import Predictions
from trainer.results.metric_values import Metrics
from trainer.results.tables import format_predictions
from trainer.settings import Settings


def judge(
    training: ImageSet, images: ImageSet, logits: np.ndarray, temperature: float, step: int, precision: str,
    settings: Settings, model_dir: ModelDir, log: Log,
) -> Metrics:  # fmt: skip
    """Computes the metrics of the evaluation images, and those of the baselines; prints, writes and returns them.

    Args:
        training: the images on which the model was trained; the baselines are fitted on them.
        logits: (N, K) float32, the outputs of the model for the images.
        temperature: by which they are divided.
        step: of the weights.
        precision: of the training: "float32", "tf32" or "bfloat16".

    Raises:
        RunFailed: a file cannot be written.
    """
    predictions = Predictions.of(logits, temperature)
    found = metrics.compute_metrics(
        images.labels, predictions.logits, predictions.probabilities, images.names,
        predict_baselines(training, images, settings.seed), temperature,
    )  # fmt: skip
    log.info(f"\nevaluation of {len(images):,} images after step {step:,}\n{metrics.format_metrics(found)}\n")
    report = {"step": step, "precision": precision, "seed": settings.seed, **found.as_dict()}
    with atomic_replace(model_dir.local / METRICS_FILE) as path:
        path.write_text(json.dumps(report, indent=1) + "\n")
    with atomic_replace(model_dir.local / PREDICTIONS_FILE) as path:
        path.write_bytes(format_predictions(images, predictions))
    board = TensorBoardWriter(model_dir.local / BOARD_FOLDER / "eval")
    scalars = {"loss": found.loss, "accuracy": found.accuracy.value, "quadratic_weighted_kappa": found.kappa.value}
    board.scalars(step, {name: value for name, value in scalars.items() if value is not None})
    board.picture(step, "confusion_matrix", pictures.draw_confusion(found.confusion))
    board.picture(step, "reliability", pictures.draw_reliability(found.calibration))
    board.picture(step, "images", pictures.draw_images(images, predictions.probabilities))
    return found
