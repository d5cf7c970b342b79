"""Checkpoints: what a run goes on from, and whose they are."""

import keras
import tensorflow as tf

from preprocess.runtime.errors import InputError, RunFailed
from preprocess.runtime.log import Log
from trainer.model_dir import checkpoint_files as files
from trainer.model_dir.folder import ModelDir, read_file
from trainer.model_dir.writing import first_line, write_errors

KEPT = 2


class Checkpoints:
    """The checkpoints of one model, each named after its step.

    Args:
        model, optimizer: what is saved, made in the scope of the strategy.
    """

    def __init__(self, model_dir: ModelDir, model: keras.Model, optimizer: keras.Optimizer):
        self._model_dir, self._variables = model_dir, model.trainable_variables
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self._checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=self._step)
        self._last: int | None = None
        """The step of the last checkpoint that is known to be whole."""
        self._broken_off: list[int] = []

    def restore(self, log: Log) -> int:
        """Takes up the last checkpoint that is whole; returns its step, 0 where none was ever saved.

        Deletes nothing: of several workers, others may still be reading.

        Raises:
            InputError: there are checkpoints, and none of them can be read; or one is of another model.
        """
        folder, damaged = self._model_dir.local, []
        unfinished = files.unfinished_in(folder)
        for step in files.steps_in(folder):
            found = self._read(step)
            if found is None:
                self._last = step
                break
            if step in unfinished:
                self._broken_off.append(step)
            else:
                damaged.append(f"ckpt-{step} ({found})")
        if damaged and self._last is None:
            raise InputError(
                f"{self._model_dir.path}: no checkpoint is whole: {', '.join(damaged)}; nothing was deleted; bring one "
                f"back from a copy, or choose another --model_dir"
            )
        taken_up = self._last or 0
        if damaged:
            log.warning(f"{self._model_dir.path}: damaged: {', '.join(damaged)}; goes on from step {taken_up:,}")
        for step in self._broken_off:
            log.info(f"{self._model_dir.path}: ckpt-{step} was not saved to its end; goes on from step {taken_up:,}")
        return taken_up

    def clean_up(self) -> None:
        """Deletes what killed runs left: checkpoints that are not whole or too many, and temporary files."""
        folder = self._model_dir.local
        files.delete(folder, self._broken_off)
        files.delete_unfinished(folder)
        if self._last is not None:
            before = [step for step in files.steps_in(folder) if step < self._last]
            files.keep_only(folder, {self._last, *before[: KEPT - 1]})

    def save(self, step: int) -> None:
        """Saves the model, if this step is not saved yet.

        Raises:
            RunFailed: the disk does not take it; or the weights are not finite, so that nothing could go on from them.
        """
        if step == self._last:
            return
        if not all(bool(tf.reduce_all(tf.math.is_finite(variable))) for variable in self._variables):
            raise RunFailed(
                f"weights are not finite after step {step}; start anew in another --model_dir with a smaller "
                f"--learning_rate"
            )
        self._step.assign(step)
        with write_errors(self._model_dir.local / f"ckpt-{step}"):
            files.write_checkpoint(self._model_dir.local, step, self._checkpoint.write)
            files.keep_only(self._model_dir.local, {step} if self._last is None else {self._last, step})
        self._last = step

    def _read(self, step: int) -> str | None:
        """Takes up a checkpoint; returns what is wrong with it, None if nothing is.

        TensorFlow compares the checksums of what it reads before it assigns anything. It has no one error for what it
        finds; what the system does not let anybody read is told apart by asking the system.

        Raises:
            InputError: the system does not let it be read; or it is whole, but of another model.
        """
        prefix = self._model_dir.local / f"ckpt-{step}"
        if not prefix.with_name(f"{prefix.name}.index").exists():
            return "its index is missing"
        try:
            found = self._checkpoint.read(str(prefix)).assert_existing_objects_matched()
        except (tf.errors.OpError, IndexError) as error:
            for path in files.files_of(self._model_dir.local, step):
                read_file(path)
            if isinstance(error, tf.errors.ResourceExhaustedError):
                raise RunFailed(f"{prefix}: there is not enough memory for it") from error
            return first_line(error)
        except (ValueError, AssertionError) as error:
            raise InputError(
                f"{prefix}: is a checkpoint of another model ({first_line(error)}); choose another --model_dir"
            ) from error
        found.expect_partial()  # earlier versions also saved how often they had saved
        return None
