"""The end of a run of either trainer: calibrates, evaluates and exports the model, and writes its card.

All of this is done in float32, whatever the precision of the training was, so the evaluated model is the exported one.
"""

import platform
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from preprocess.runtime.log import Log
from trainer.data.image_set import ImageSet
from trainer.model_dir.folder import CARD_FILE, ModelDir
from trainer.model_dir.identity import read_identity
from trainer.model_dir.writing import atomic_replace
from trainer.network.precision import in_float32
from trainer.results.calibration import fit_temperature
from trainer.results.evaluation import Predictor
from trainer.results.export import export
from trainer.results.metric_values import Metrics
from trainer.results.model_card import Facts, make_card
from trainer.results.model_info import ModelInfo
from trainer.results.verdict import judge
from trainer.runtime.devices import Devices
from trainer.runtime.signals import Signals
from trainer.settings import BFLOAT16, Settings


@dataclass(frozen=True)
class Run:
    """What all stages of a run share.

    Attributes:
        training: the images to train on, without those held out.
        validation: the images of the patients that are held out; None without validation.
        evaluation: the images to evaluate on; None without evaluation images.
    """

    settings: Settings
    training: ImageSet
    validation: ImageSet | None
    evaluation: ImageSet | None
    devices: Devices
    model_dir: ModelDir
    signals: Signals
    log: Log


def conclude(model: keras.Model, predictor: Predictor, step: int, precision: str, run: Run) -> None:
    """Calibrates, evaluates and exports a model, as the settings require, and writes its card.

    Args:
        model: from raw pixels to logits.
        predictor: of the model.
        step: of its weights.
        precision: of the training: "float32", "tf32" or "bfloat16".

    Raises:
        RunFailed: a file cannot be written.
        Stopped: a signal stopped the run.
    """
    settings, trains = run.settings, run.settings.training_steps > 0
    if precision == BFLOAT16:
        with run.devices.strategy.scope():
            model = in_float32(model)
        predictor = Predictor(model, settings.batch_size, run.devices)
    temperature = _fit_temperature(predictor, run)
    found = None
    if settings.eval_steps and run.evaluation:
        found = _evaluate(predictor, run.evaluation, step, precision, temperature, run)
        run.signals.raise_if_signalled()
    if run.devices.is_chief and trains:
        info = ModelInfo.of(run.training, settings.network, temperature)
        strategy, check_stop = run.devices.strategy, run.signals.raise_if_signalled
        export(model, info, strategy, run.model_dir, settings.export_format, check_stop)
    if trains or found:
        _write_card(model, step, temperature, found, run)


def _fit_temperature(predictor: Predictor, run: Run) -> float:
    """Fits the temperature on the validation images; 1 without --calibrate."""
    images = run.validation
    if not run.settings.calibrate or images is None:
        return 1.0
    logits = predictor.predict(images, run.signals.raise_if_any_worker_signalled)
    temperature = fit_temperature(images.labels, logits)
    run.log.info(f"temperature {temperature:.3f}, fitted on the validation images")
    return temperature


def _evaluate(
    predictor: Predictor, images: ImageSet, step: int, precision: str, temperature: float, run: Run
) -> Metrics:
    """Predicts all evaluation images and judges the model; returns the metrics."""
    settings = run.settings
    if settings.eval_steps * settings.batch_size < len(images):
        run.log.info(
            f"--eval_steps {settings.eval_steps} would cover {settings.eval_steps * settings.batch_size:,} of "
            f"{len(images):,} images; all of them are evaluated"
        )
    logits = predictor.predict(images, run.signals.raise_if_any_worker_signalled, run.log)
    return judge(run.training, images, logits, temperature, step, precision, settings, run.model_dir, run.log)


def _write_card(model: keras.Model, step: int, temperature: float, found: Metrics | None, run: Run) -> None:
    versions = {
        "Python": platform.python_version(), "TensorFlow": tf.__version__, "Keras": keras.__version__,
        "NumPy": np.__version__,
    }  # fmt: skip
    card = make_card(Facts(
        read_identity(run.model_dir), step, model.count_params(), temperature, versions, run.training, run.validation,
        run.evaluation, found,
    ))  # fmt: skip
    with atomic_replace(run.model_dir.local / CARD_FILE) as path:
        path.write_text(card)
