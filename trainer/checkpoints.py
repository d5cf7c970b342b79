"""Checkpoints: what a run goes on from, and whose they are."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from preprocess.errors import InputError, RunFailed
from trainer.images import ImageSet, Statistics
from trainer.model_dir import IDENTITY_FILE, ModelDir
from trainer.options import Settings

FORMAT = 1
KEPT = 2
_ARCHITECTURE = ("height", "width", "channels", "categories")
_TRAINING = ("batch_size", "learning_rate", "dropout", "seed", "class_weights", "precision")


class Checkpoints:
    """The checkpoints of one model, each named after its step.

    Args:
        model, optimizer: what is saved, made in the scope of the strategy.
    """

    def __init__(self, model_dir: ModelDir, model: keras.Model, optimizer: keras.Optimizer):
        self._model_dir, self._variables = model_dir, model.trainable_variables
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self._checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=self._step)
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(model_dir.local), max_to_keep=KEPT)

    def restore(self) -> int:
        """Takes up the last checkpoint; returns its step, 0 where there is none.

        Raises:
            InputError: it cannot be read.
        """
        for unfinished in self._model_dir.local.glob("ckpt-*_temp*"):  # a run was killed while it saved
            shutil.rmtree(unfinished, ignore_errors=True)
        latest = self._manager.latest_checkpoint
        if latest is None:
            return 0
        try:
            self._checkpoint.restore(latest).assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError, AssertionError) as error:
            raise InputError(
                f"{latest}: this checkpoint cannot be read ({str(error).splitlines()[0]}); choose another --model_dir"
            ) from error
        return int(self._step.numpy())

    def save(self, step: int) -> None:
        """Saves the model, if this step is not saved yet.

        Raises:
            RunFailed: the weights are not finite, so that nothing could go on from them.
        """
        if self._manager.latest_checkpoint and self._manager.latest_checkpoint.endswith(f"ckpt-{step}"):
            return
        if not all(bool(tf.reduce_all(tf.math.is_finite(variable))) for variable in self._variables):
            raise RunFailed(
                f"weights are not finite after step {step}; start anew in another --model_dir with a smaller "
                f"--learning_rate"
            )
        self._step.assign(step)
        self._manager.save(checkpoint_number=step)


def claim(
    model_dir: ModelDir, settings: Settings, training: ImageSet, statistics: Statistics, precision: str
) -> list[str]:
    """Makes sure that the checkpoints in a folder, if any, are of this model, or makes the folder this model's.

    Returns:
        What is now done otherwise than before, e.g. "learning_rate 0.001 -> 0.0005"; allowed, but for a person to know.

    Raises:
        InputError: the folder holds another model's checkpoints. Nothing in it was touched.
    """
    values = dataclasses.asdict(settings) | {"precision": precision}
    identity: dict[str, Any] = {
        "format": FORMAT,
        "architecture": {name: values[name] for name in _ARCHITECTURE},
        "normalization": dataclasses.asdict(statistics),
        "training_set": {"images": len(training), "sha256": training.digest},
        "training": {name: values[name] for name in _TRAINING},
    }
    path = model_dir.local / IDENTITY_FILE
    found = _read(path, model_dir)
    if found is not None and found.get("format") == FORMAT:
        _compare(found, identity, model_dir.path)
        before = found["training"]
        changes = [f"{n} {before.get(n)} -> {now}" for n, now in identity["training"].items() if before.get(n) != now]
    elif found is not None or tf.train.latest_checkpoint(str(model_dir.local)):
        raise InputError(f"{model_dir.path}: holds a checkpoint of another program; choose another --model_dir")
    else:
        changes = []
    unfinished = path.with_name(f".unfinished-{path.name}")
    unfinished.write_text(json.dumps(identity, indent=1) + "\n")
    unfinished.replace(path)
    return changes


def _read(path: Path, model_dir: ModelDir) -> dict | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    except ValueError as error:
        raise InputError(
            f"{model_dir.path}/{path.name}: is not what a trainer writes; choose another --model_dir"
        ) from error


def _compare(found: dict, identity: dict, path: str) -> None:
    for name, now in identity["architecture"].items():
        before = found["architecture"].get(name)
        if before != now:
            raise InputError(f"{path}: holds a model of {name} {before}, not {now}; choose another --model_dir")
    for name in ("training_set", "normalization"):
        if found[name] != identity[name]:
            raise InputError(
                f"{path}: holds a model trained on {found['training_set']['images']:,} other images "
                f"than these {identity['training_set']['images']:,}; choose another --model_dir"
            )
