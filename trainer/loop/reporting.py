"""Progress output of a training, every 50 steps: a line, and the same values for TensorBoard."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from preprocess.contract.tfrecord import CorruptRecord, read_records
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log
from preprocess.runtime.text import format_duration
from trainer.loop.training import Steps
from trainer.model_dir.writing import write_errors
from trainer.settings import BALANCED, CROSSENTROPY, ORDINAL, Settings

LINE_STEPS = 50
_EVENTS = "events.out.tfevents.*"


class Reporter:
    """Collects the results of the loop's calls; every 50 steps, prints a line and records scalars.

    Args:
        total: the last step of the training.
        settings: the batch size, and how the loss is called.
        record: called with a step and its scalars by name.
    """

    def __init__(self, log: Log, total: int, settings: Settings, record: Callable[[int, dict[str, float]], None]):
        self._log, self._total, self._batch_size, self._record = log, total, settings.batch_size, record
        self._loss_name = describe_loss(settings)
        self._losses: list[np.ndarray] = []
        self._accuracies: list[np.ndarray] = []
        self._timed_steps, self._timed_seconds = 0, 0.0
        self._is_first_call = True

    def add(self, steps: Steps) -> None:
        """Adds the results of one call; reports if its last step is a multiple of 50 or the last step of all."""
        self._losses.append(steps.losses)
        self._accuracies.append(steps.accuracies)
        if not self._is_first_call:  # it includes tracing and compilation
            self._timed_steps += len(steps.losses)
            self._timed_seconds += steps.seconds
        self._is_first_call = False
        if steps.last % LINE_STEPS == 0 or steps.last == self._total:
            self._report(steps.last)

    def _report(self, step: int) -> None:
        scalars = {
            "loss": float(np.concatenate(self._losses).mean()),
            "accuracy": float(np.concatenate(self._accuracies).mean()),
        }
        text = f"step {step:,} of {self._total:,}: {self._loss_name} {scalars['loss']:.4f}"
        text += f", accuracy {scalars['accuracy']:.3f}"
        if self._timed_steps:
            rate = self._timed_steps / self._timed_seconds
            scalars["steps_per_second"] = rate
            text += f", {rate:.2f} steps/s, {rate * self._batch_size:,.0f} images/s"
            if step < self._total:
                text += f", {format_duration((self._total - step) / rate)} left"
        self._log.info(text)
        self._record(step, scalars)
        self._losses, self._accuracies = [], []
        self._timed_steps, self._timed_seconds = 0, 0.0


def describe_loss(settings: Settings) -> str:
    """Returns the name of the loss that is minimized: it differs from the cross-entropy of the evaluations."""
    name = {CROSSENTROPY: "cross-entropy", ORDINAL: "ordinal loss"}[settings.loss]
    return f"class-weighted {name}" if settings.class_weights == BALANCED else name


class TensorBoardWriter:
    """Writes a new event file for TensorBoard in a folder.

    Raises:
        RunFailed: it cannot be written; this applies to all methods.
    """

    def __init__(self, folder: Path):
        self._folder, self._end = folder, 0
        before = set(folder.glob(_EVENTS))
        with write_errors(folder):
            self._writer = tf.summary.create_file_writer(str(folder))
            self._writer.flush()
        self._files = set(folder.glob(_EVENTS)) - before
        self._check(1)  # the first record contains the version of the format

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes the scalars of a step, by name."""
        with write_errors(self._folder):
            with self._writer.as_default(step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)
            self._writer.flush()
        self._check(len(values))

    def picture(self, step: int, name: str, png: bytes) -> None:
        """Writes a PNG file as an RGB image."""
        with write_errors(self._folder):
            with self._writer.as_default(step):
                tf.summary.image(name, tf.io.decode_png(png, channels=3)[None])
            self._writer.flush()
        self._check(1)

    def _check(self, added: int) -> None:
        """Counts the records since the last call, because TensorFlow's event writer rarely reports a full disk.

        Args:
            added: the expected number.

        Raises:
            RunFailed: there are fewer records.
        """
        found = 0
        for path in self._files:
            with path.open("rb") as stream:
                stream.seek(self._end)
                try:
                    found += sum(1 for _ in read_records(stream))
                except CorruptRecord:
                    break
                self._end = stream.tell()
        if found != added:
            raise RunFailed(
                f"{self._folder}: cannot be written (records are missing, as on a full disk); free disk space and run "
                f"the same command: it continues from the last checkpoint"
            )


def history_rows(steps: Steps, learning_rate_at: Callable[[int], float]) -> Iterator[Sequence[str]]:
    """Yields the rows of `history.csv` for one call of the loop, with the shortest digits that identify a float32.

    Args:
        learning_rate_at: returns the learning rate of a step.
    """
    first = steps.last - len(steps.losses) + 1
    for step, (loss, accuracy) in enumerate(zip(steps.losses, steps.accuracies, strict=True), first):
        yield str(step), _shortest(loss), _shortest(accuracy), repr(learning_rate_at(step))


def _shortest(value: np.float32) -> str:
    """Formats a float32."""
    return np.format_float_positional(value, unique=True, trim="0")
