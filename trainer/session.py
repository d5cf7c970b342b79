"""Runs a training after the images are read: restores a checkpoint, trains, and calls `conclude`."""

import tensorflow as tf

from preprocess.runtime.errors import InputError, RunFailed
from preprocess.runtime.log import Log
from trainer.conclusion import Run, conclude
from trainer.data.image_counts import print_image_counts
from trainer.data.image_set import ImageSet, check_disjoint, compute_statistics
from trainer.data.preparation import describe_difference
from trainer.data.validation_split import split_for_validation
from trainer.loop.reporting import LINE_STEPS, Reporter, TensorBoardWriter, history_rows
from trainer.loop.training import Training
from trainer.model_dir import checkpoint_files
from trainer.model_dir.checkpoints import Checkpoints
from trainer.model_dir.folder import (  # fmt: skip
    BOARD_FOLDER,
    HISTORY_COLUMNS,
    HISTORY_FILE,
    SPEED_COLUMNS,
    SPEED_FILE,
    open_model_dir,
)
from trainer.model_dir.identity import check_identity
from trainer.model_dir.saved_model import copy_saved_model
from trainer.model_dir.step_table import StepTable
from trainer.network.networks import NETWORKS
from trainer.network.optimizers import learning_rate_at, make_optimizer, set_learning_rate
from trainer.results.augmentation_sheet import draw_augmentation
from trainer.results.evaluation import Predictor
from trainer.results.validation import Validation
from trainer.runtime.devices import Devices
from trainer.runtime.signals import Signals
from trainer.runtime.vertex import report_metric
from trainer.settings import BEST, METRICS, NONE, Settings


def run(settings: Settings, training: ImageSet, evaluation: ImageSet | None, devices: Devices, log: Log) -> None:
    """Trains a model up to the total number of steps, evaluates it, and writes all results to the model's folder.

    Args:
        training: the images to train on.
        evaluation: the images to evaluate on; None is allowed if `settings.eval_steps` is 0.

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
    if evaluation:
        check_disjoint(training, evaluation)
        if difference := describe_difference(training.preparation, evaluation.preparation):
            log.warning(f"the training and evaluation images were made in different ways: {difference}")
    trained_on, validation = split_for_validation(training, settings)
    print_image_counts(trained_on, validation, evaluation, log)
    with (
        open_model_dir(settings.model_dir, devices.is_chief) as model_dir,
        Signals(devices.max_over_workers) as signals,
    ):
        if not settings.training_steps and not checkpoint_files.steps_in(model_dir.local):
            raise _nothing_to_evaluate(settings)
        try:
            _Session(Run(settings, trained_on, validation, evaluation, devices, model_dir, signals, log)).run()
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise RunFailed(
                "another worker or the accelerator is no longer available (see TensorFlow's message above); run the "
                "same command on all workers: it continues from the last checkpoint"
            ) from error
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise RunFailed(
                f"there is not enough memory for steps of {settings.batch_size} images of {settings.height} x "
                f"{settings.width} pixels; free memory and run the same command, which continues from the last "
                f"checkpoint, or train in another --model_dir with a smaller --batch_size"
            ) from error


def _nothing_to_evaluate(settings: Settings) -> InputError:
    return InputError(f"{settings.model_dir}: contains no checkpoint to evaluate; train with --training_steps first")


class _Session:
    """One run: the objects that its stages share, and the stages."""

    def __init__(self, run: Run):
        self._run = run
        self._settings, self._devices, self._model_dir = run.settings, run.devices, run.model_dir
        self._training_set, self._validation_set = run.training, run.validation
        self._signals, self._log = run.signals, run.log

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
            self._optimizer = make_optimizer(self._model, settings)
            self._checkpoints = Checkpoints(self._model_dir, self._model, self._optimizer, self._devices.io_device)
            step = self._checkpoints.restore(self._log)
            set_learning_rate(self._optimizer, settings)
        self._check_same_step(step)
        self._checkpoints.clean_up()
        if not settings.training_steps and not step:
            raise _nothing_to_evaluate(settings)
        self._log.info(f"model: {self._model.count_params():,} parameters, {precision}, on {self._devices.description}")
        self._predictor = Predictor(self._model, settings.batch_size, self._devices)
        self._validation = Validation(self._model_dir, settings, step, self._log) if self._validation_set else None
        step = self._train(step)
        if self._validation and settings.keep == BEST:
            step = self._load_best(step)
        conclude(self._model, self._predictor, step, precision, self._run)
        self._model_dir.upload_changes()
        if self._devices.is_chief and trains:
            copy_saved_model(self._model_dir)
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
        folder, rate_at = self._model_dir.local, learning_rate_at(settings)
        history = StepTable(folder / HISTORY_FILE, HISTORY_COLUMNS, step)
        speed = StepTable(folder / SPEED_FILE, SPEED_COLUMNS, step)
        board = TensorBoardWriter(folder / BOARD_FOLDER / "train")
        if settings.augmentation != NONE:
            board.picture(step, "augmentation", draw_augmentation(self._training_set, settings))

        def record(at: int, scalars: dict[str, float]) -> None:
            board.scalars(at, scalars | {"learning_rate": rate_at(at)})
            if rate := scalars.get("steps_per_second"):
                images = rate * settings.batch_size
                speed.append_rows([(str(at), f"{rate:.4g}", f"{images:.4g}", self._devices.description)])

        reporter = Reporter(self._log, total, settings, record)
        training = Training(self._model, self._optimizer, self._training_set, settings, self._devices, step)
        self._validate(step)  # unless it was done before the run was stopped
        stops = (LINE_STEPS, settings.checkpoint_steps, *((settings.eval_every,) if self._validation else ()))
        with self._log.bar("training", total, step) as bar:
            for steps in () if self._ends_early(step) else training.run(total, stops):
                step = steps.last
                history.append_rows(history_rows(steps, rate_at))
                reporter.add(steps)
                bar.move(step)
                stopped = self._signals.any_worker_signalled()
                is_due = self._validation is not None and self._validation.is_due(step)
                if step % settings.checkpoint_steps == 0 or step == total or stopped or is_due:
                    self._checkpoints.save(step)
                    self._model_dir.upload_changes()
                self._signals.raise_if_signalled()
                self._validate(step)
                if self._ends_early(step):
                    break
        return step

    def _validate(self, step: int) -> None:
        """Validates the model if it is due after this step."""
        if self._validation is None or self._validation_set is None or not self._validation.is_due(step):
            return
        images = self._validation_set
        logits = self._predictor.predict(images, self._signals.raise_if_any_worker_signalled)
        scalars = self._validation.add(step, images.labels, logits, self._model, self._log)
        TensorBoardWriter(self._model_dir.local / BOARD_FOLDER / "validation").scalars(step, scalars)
        self._model_dir.upload_changes()
        reported = self._settings.report_metric
        if self._devices.is_chief and METRICS.get(reported) in scalars:
            report_metric(reported, scalars[METRICS[reported]], step)

    def _ends_early(self, step: int) -> bool:
        """Whether --patience ends the training after this step."""
        if self._validation is None or not self._validation.is_exhausted:
            return False
        self._log.info(
            f"no higher kappa in the last {self._settings.patience} validations: the training ends after step {step:,}"
        )
        return True

    def _load_best(self, step: int) -> int:
        """Loads the best weights of all validations, if there are any; returns their step."""
        best = self._validation.load_best(self._model) if self._validation else None
        if best is None:
            return step
        self._log.info(f"the weights of step {best:,} have the highest kappa of all validations and are kept")
        return best
