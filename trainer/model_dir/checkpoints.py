"""Saves and restores the checkpoints of a model, and decides how many are kept."""

import keras
import tensorflow as tf

from preprocess.runtime.errors import InputError, RunFailed
from preprocess.runtime.log import Log
from trainer.model_dir import checkpoint_files as files
from trainer.model_dir.folder import ModelDir, read_file
from trainer.model_dir.writing import first_line, write_errors

KEPT = 2  # number of checkpoints that are not deleted


class Checkpoints:
    """The checkpoints of one model; each has the step in its name.

    Args:
        model, optimizer: the objects to save, created in the scope of the strategy.
        io_device: see `Devices.io_device`.
    """

    def __init__(
        self, model_dir: ModelDir, model: keras.Model, optimizer: keras.Optimizer, io_device: str | None = None
    ):
        self._model_dir, self._variables = model_dir, model.trainable_variables
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self._checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=self._step)
        self._options = tf.train.CheckpointOptions(experimental_io_device=io_device)
        self._last: int | None = None
        """The step of the last checkpoint that was restored or saved."""
        self._incomplete: list[int] = []
        """The steps of checkpoints whose saving was interrupted."""

    def restore(self, log: Log) -> int:
        """Restores the last checkpoint that can be read; returns its step, or 0 if no checkpoint was saved.

        Deletes nothing, because other workers may still be reading.

        Raises:
            InputError: there are damaged checkpoints and no intact one; or one is of another model, or cannot be read.
            RunFailed: there is not enough memory.
        """
        folder, damaged = self._model_dir.local, []
        unfinished = files.unfinished_in(folder)
        for step in files.steps_in(folder):
            found = self._read(step)
            if found is None:
                self._last = step
                break
            if step in unfinished:
                self._incomplete.append(step)
            else:
                damaged.append(f"ckpt-{step} ({found})")
        if damaged and self._last is None:
            raise InputError(
                f"{self._model_dir.path}: no checkpoint is intact: {', '.join(damaged)}; nothing was deleted; "
                f"restore one from a backup, or choose another --model_dir"
            )
        restored = self._last or 0
        if damaged:
            log.warning(f"{self._model_dir.path}: damaged: {', '.join(damaged)}; continues from step {restored:,}")
        for step in self._incomplete:
            log.info(f"{self._model_dir.path}: saving ckpt-{step} was interrupted; continues from step {restored:,}")
        return restored

    def clean_up(self) -> None:
        """Deletes what killed runs left: incomplete and superfluous checkpoints, and temporary files."""
        folder = self._model_dir.local
        files.delete(folder, self._incomplete)
        files.delete_unfinished(folder)
        if self._last is not None:
            before = [step for step in files.steps_in(folder) if step < self._last]
            files.keep_only(folder, {self._last, *before[: KEPT - 1]})

    def save(self, step: int) -> None:
        """Saves the model, unless the checkpoint of this step exists.

        Raises:
            RunFailed: it cannot be written; or the weights are not finite, so training could not continue from them.
        """
        if step == self._last:
            return
        if not all(bool(tf.reduce_all(tf.math.is_finite(variable))) for variable in self._variables):
            raise RunFailed(
                f"weights are not finite after step {step}; train again in another --model_dir with a smaller "
                f"--learning_rate"
            )
        self._step.assign(step)
        with write_errors(self._model_dir.local / f"ckpt-{step}"):
            files.write_checkpoint(
                self._model_dir.local, step, lambda prefix: self._checkpoint.write(prefix, self._options)
            )
            files.keep_only(self._model_dir.local, {step} if self._last is None else {self._last, step})
        self._last = step

    def _read(self, step: int) -> str | None:
        """Restores a checkpoint; returns None, or a message if the checkpoint is damaged or incomplete.

        TensorFlow compares the checksums of the data before it assigns any variable. It raises several types of errors
        for a damaged file, and also for one that cannot be read; so after an error, the files are read again to
        distinguish the two.

        Raises:
            InputError: a file cannot be read; or the checkpoint is of another model.
            RunFailed: there is not enough memory.
        """
        prefix = self._model_dir.local / f"ckpt-{step}"
        if not prefix.with_name(f"{prefix.name}.index").exists():
            return "its index is missing"
        try:
            found = self._checkpoint.read(str(prefix), self._options).assert_existing_objects_matched()
        except (tf.errors.OpError, IndexError) as error:
            for path in files.files_of(self._model_dir.local, step):
                read_file(path)
            if isinstance(error, tf.errors.ResourceExhaustedError):
                raise RunFailed(f"{prefix}: there is not enough memory to read it") from error
            return first_line(error)
        except (ValueError, AssertionError) as error:
            raise InputError(
                f"{prefix}: is a checkpoint of another model ({first_line(error)}); choose another --model_dir"
            ) from error
        found.expect_partial()  # checkpoints of earlier versions also contain a counter of saves
        return None
