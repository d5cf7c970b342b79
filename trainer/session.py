"""A run of either trainer after the images are read: restores a checkpoint, trains, evaluates and exports the model."""

import json

import tensorflow as tf

from preprocess.runtime.errors import InputError, RunFailed
from preprocess.runtime.log import Log
from trainer.data.image_set import ImageSet, check_disjoint, compute_statistics, shared_patients
from trainer.loop.reporting import LINE_STEPS, Reporter, TensorBoardWriter, history_rows
from trainer.loop.training import Training
from trainer.model_dir import checkpoint_files
from trainer.model_dir.checkpoints import Checkpoints
from trainer.model_dir.folder import (  # fmt: skip
    BOARD_FOLDER,
    HISTORY_COLUMNS,
    HISTORY_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    SPEED_COLUMNS,
    SPEED_FILE,
    ModelDir,
    open_model_dir,
)
from trainer.model_dir.identity import check_identity
from trainer.model_dir.step_table import StepTable
from trainer.model_dir.writing import atomic_replace
from trainer.network.networks import NETWORKS
from trainer.network.optimizer import make_optimizer
from trainer.options import Settings
from trainer.results import metrics, pictures
from trainer.results.evaluation import predict
from trainer.results.export import export
from trainer.results.tables import format_predictions
from trainer.runtime.devices import Devices
from trainer.runtime.signals import Signals


def run(settings: Settings, training: ImageSet, evaluation: ImageSet, devices: Devices, log: Log) -> None:
    """Trains a model up to the total number of steps, evaluates it, and writes all results to the model's folder.

    Args:
        training, evaluation: the images to train on and to evaluate on.

    Raises:
        InputError: the run cannot start, e.g. because `settings.model_dir` contains another model.
        RunFailed: the run started and cannot finish, e.g. because a loss is not finite or a disk is full.
        Stopped: a signal stopped the run; its last step is saved.
    """
    replicas = devices.strategy.num_replicas_in_sync
    if settings.batch_size % replicas:
        raise InputError(
            f"--batch_size {settings.batch_size} is not a multiple of the {replicas} replicas; choose one that is"
        )
    check_disjoint(training, evaluation)
    print_image_counts(training, evaluation, log)
    with (
        open_model_dir(settings.model_dir, devices.is_chief) as model_dir,
        Signals(devices.max_over_workers) as signals,
    ):
        if not settings.training_steps and not checkpoint_files.steps_in(model_dir.local):
            raise _nothing_to_evaluate(settings)
        try:
            _Session(settings, training, evaluation, devices, model_dir, signals, log).run()
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise RunFailed(
                "another worker or the accelerator is no longer available (see TensorFlow's message above); run the "
                "same command on all workers: it continues from the last checkpoint"
            ) from error


def _nothing_to_evaluate(settings: Settings) -> InputError:
    return InputError(f"{settings.model_dir}: contains no checkpoint to evaluate; train with --training_steps first")


def print_image_counts(training: ImageSet, evaluation: ImageSet, log: Log) -> None:
    """Prints the number of images of each category. Warns about empty categories and patients that are in both sets."""
    for use, images in (("training", training), ("evaluation", evaluation)):
        counts = ", ".join(f"{count:,}" for count in images.counts)
        log.info(f"{use}: {len(images):,} images, {counts} of density 1 to {images.categories}")
        for category in images.absent:
            log.warning(f"{images.source}: no image of density {category}")
    if shared := shared_patients(training, evaluation):
        more = f" and {len(shared) - 3:,} more" if len(shared) > 3 else ""
        log.warning(
            f"patients with both training and evaluation images: {', '.join(shared[:3])}{more}; the metrics will be "
            f"better than on images of other patients"
        )


class _Session:
    """One run: the objects that its stages share, and the stages."""

    def __init__(
        self, settings: Settings, training: ImageSet, evaluation: ImageSet, devices: Devices, model_dir: ModelDir,
        signals: Signals, log: Log,
    ):  # fmt: skip
        self._settings, self._devices, self._model_dir = settings, devices, model_dir
        self._training_set, self._evaluation_set = training, evaluation
        self._signals, self._log = signals, log

    def run(self) -> None:
        """Restores the last checkpoint, trains, evaluates and exports the model."""
        settings, statistics = self._settings, compute_statistics(self._training_set.pixels)
        precision = self._devices.resolve_precision(settings.precision)
        trains = settings.training_steps > 0
        for change in check_identity(
            self._model_dir, settings, self._training_set, statistics, precision, write=trains
        ):
            self._log.warning(f"{settings.model_dir}: continues with a changed option: {change}")
        with self._devices.strategy.scope():
            self._model = NETWORKS[settings.network].build(settings, statistics, precision)
            self._optimizer = make_optimizer(self._model, settings.learning_rate)
            self._checkpoints = Checkpoints(self._model_dir, self._model, self._optimizer)
            step = self._checkpoints.restore(self._log)
            self._optimizer.learning_rate = settings.learning_rate  # the checkpoint contains that of an earlier run
        self._check_same_step(step)
        self._checkpoints.clean_up()
        if not settings.training_steps and not step:
            raise _nothing_to_evaluate(settings)
        self._log.info(f"model: {self._model.count_params():,} parameters, {precision}, on {self._devices.description}")
        step = self._train(step)
        if settings.eval_steps:
            self._evaluate(step, precision)
            self._signals.raise_if_signalled()
        if self._devices.is_chief and trains:
            export(self._model, self._devices.strategy, self._model_dir, self._signals.raise_if_signalled)
        self._model_dir.upload_changes()
        self._log.info(f"the model and its results are in {settings.model_dir}")

    def _check_same_step(self, step: int) -> None:
        """Checks that all workers restored the same checkpoint. All workers must call it.

        Raises:
            InputError: they restored different ones; it is raised on all workers.
        """
        last, first = int(self._devices.max_over_workers(step)), -int(self._devices.max_over_workers(-step))
        if first != last:
            raise InputError(
                f"{self._settings.model_dir}: the workers find checkpoints of steps {first} to {last}; "
                f"choose a --model_dir that all of them can read"
            )

    def _train(self, step: int) -> int:
        """Trains from a step up to the total, unless it is reached already; returns the last step."""
        settings, total = self._settings, self._settings.training_steps
        if step:
            self._log.info(f"{settings.model_dir}: continues from its checkpoint of step {step:,}")
        if step >= total:
            if total:
                self._log.info(
                    f"{step:,} steps are done, and --training_steps is a total of {total:,}: no further training"
                )
            return step
        folder = self._model_dir.local
        history = StepTable(folder / HISTORY_FILE, HISTORY_COLUMNS, step)
        speed = StepTable(folder / SPEED_FILE, SPEED_COLUMNS, step)
        board = TensorBoardWriter(folder / BOARD_FOLDER / "train")

        def record(at: int, scalars: dict[str, float]) -> None:
            board.scalars(at, scalars | {"learning_rate": settings.learning_rate})
            if rate := scalars.get("steps_per_second"):
                images = rate * settings.batch_size
                speed.append_rows([(str(at), f"{rate:.4g}", f"{images:.4g}", self._devices.description)])

        reporter = Reporter(self._log, total, settings.batch_size, record)
        training = Training(self._model, self._optimizer, self._training_set, settings, self._devices, step)
        with self._log.bar("training", total, step) as bar:
            for steps in training.run(total, stops=(LINE_STEPS, settings.checkpoint_steps)):
                history.append_rows(history_rows(steps, settings.learning_rate))
                reporter.add(steps)
                bar.move(steps.last)
                stopped = self._signals.any_worker_signalled()
                if steps.last % settings.checkpoint_steps == 0 or steps.last == total or stopped:
                    self._checkpoints.save(steps.last)
                    self._model_dir.upload_changes()
                self._signals.raise_if_signalled()
        return total

    def _evaluate(self, step: int, precision: str) -> None:
        """Predicts all evaluation images; prints the metrics and writes them, the predictions and the pictures."""
        settings, images, log = self._settings, self._evaluation_set, self._log
        if settings.eval_steps * settings.batch_size < len(images):
            log.info(
                f"--eval_steps {settings.eval_steps} would cover {settings.eval_steps * settings.batch_size:,} of "
                f"{len(images):,} images; all of them are evaluated"
            )
        predictions = predict(
            self._model, images, settings.batch_size, self._devices, log, self._signals.raise_if_any_worker_signalled
        )
        found = metrics.compute_metrics(images.labels, predictions.logits, predictions.probabilities, images.names)
        log.info(f"\nevaluation of {len(images):,} images after step {step:,}\n{metrics.format_metrics(found)}\n")
        folder = self._model_dir.local
        report = {"step": step, "precision": precision, "seed": settings.seed, **found.as_dict()}
        with atomic_replace(folder / METRICS_FILE) as path:
            path.write_text(json.dumps(report, indent=1) + "\n")
        with atomic_replace(folder / PREDICTIONS_FILE) as path:
            path.write_bytes(format_predictions(images, predictions))
        board = TensorBoardWriter(folder / BOARD_FOLDER / "eval")
        scalars = {"loss": found.loss, "accuracy": found.accuracy.value, "quadratic_weighted_kappa": found.kappa.value}
        board.scalars(step, {name: value for name, value in scalars.items() if value is not None})
        board.picture(step, "confusion_matrix", pictures.draw_confusion(found.confusion))
        board.picture(step, "images", pictures.draw_images(images, predictions.probabilities))
