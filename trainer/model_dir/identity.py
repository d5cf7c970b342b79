"""`training.json`: identifies the model, the training set and the options of the checkpoints in a folder."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from preprocess.runtime.errors import InputError
from trainer.data.image_set import ImageSet, Statistics
from trainer.model_dir import checkpoint_files as files
from trainer.model_dir.folder import CHECKPOINT_INDEX, IDENTITY_FILE, ModelDir, read_file
from trainer.model_dir.writing import atomic_replace
from trainer.settings import COSINE, OF_2018, TUTORIAL, Settings

FORMAT = 1
_ARCHITECTURE = ("network", "seeds", "height", "width", "channels", "categories")
_TRAINING = (
    "loss", "batch_size", "optimizer", "learning_rate", "schedule", "warmup_steps", "weight_decay", "augmentation",
    "dropout", "seed", "class_weights", "precision", "validation_share", "folds", "fold", "eval_every",
)  # fmt: skip
_EARLIER_ARCHITECTURE = {"network": TUTORIAL, "seeds": 1}
_EARLIER = {"folds": 0, "fold": 0, "eval_every": Settings.eval_every} | OF_2018
"""Values of options that earlier versions did not have and therefore did not write."""


def check_identity(
    model_dir: ModelDir, settings: Settings, training: ImageSet, statistics: Statistics, precision: str, write: bool
) -> list[str]:
    """Checks that the checkpoints in a folder, if any, are of this model.

    Args:
        training: the training set.
        statistics: of the training set.
        precision: of the training: "float32", "tf32" or "bfloat16".
        write: whether `training.json` is written; otherwise nothing is changed, and changed options do not matter.

    Returns:
        The changed options, e.g. "learning_rate 0.001 -> 0.0005". They are allowed, and the caller reports them.

    Raises:
        InputError: the folder contains checkpoints of another model. No file was changed.
        RunFailed: `training.json` cannot be written.
    """
    values = dataclasses.asdict(settings) | {"precision": precision}
    identity: dict[str, Any] = {
        "format": FORMAT,
        "architecture": {name: values[name] for name in _ARCHITECTURE},
        "normalization": dataclasses.asdict(statistics),
        "training_set": {"images": len(training), "sha256": training.digest},
        "training": {name: values[name] for name in _TRAINING},
    }
    if settings.schedule == COSINE:
        identity["training"]["training_steps"] = settings.training_steps  # the learning rate depends on it
    path = model_dir.local / IDENTITY_FILE
    found = _read(path, model_dir)
    if found is not None and found.get("format") == FORMAT:
        _compare(found, identity, model_dir.path)
        before = _EARLIER | found["training"]
        changes = [f"{n} {before.get(n)} -> {now}" for n, now in identity["training"].items() if before.get(n) != now]
    elif found is not None or (model_dir.local / CHECKPOINT_INDEX).exists() or files.steps_in(model_dir.local):
        raise InputError(f"{model_dir.path}: contains a checkpoint of another program; choose another --model_dir")
    else:
        changes = []
    if not write:
        return []
    with atomic_replace(path) as unfinished:
        unfinished.write_text(json.dumps(identity, indent=1) + "\n")
    return changes


def read_identity(model_dir: ModelDir) -> dict[str, Any]:
    """Returns the content of `training.json`, which `check_identity` has checked, with values for missing keys."""
    found = json.loads(read_file(model_dir.local / IDENTITY_FILE))
    earlier = {name: value for name, value in _EARLIER.items() if name in _TRAINING}
    return found | {
        "architecture": _EARLIER_ARCHITECTURE | found["architecture"], "training": earlier | found["training"],
    }  # fmt: skip


def _read(path: Path, model_dir: ModelDir) -> dict | None:
    """Reads `training.json`.

    Returns:
        Its content; None if there is no such file; {} if it has another format.

    Raises:
        InputError: it cannot be read, or it is damaged.
    """
    if not path.exists():
        return None
    try:
        found = json.loads(read_file(path))
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            return {}
        for name in ("architecture", "normalization", "training_set", "training"):
            found[name].keys()
        found["training_set"]["images"] + 0
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{model_dir.path}/{path.name}: is damaged, or was not written by a trainer; choose another --model_dir"
        ) from error
    return found


def _compare(found: dict, identity: dict, path: str) -> None:
    """Compares the content of `training.json` with this model.

    Raises:
        InputError: the architecture, the training set or the normalization differ.
    """
    for name, now in identity["architecture"].items():
        before = found["architecture"].get(name, _EARLIER_ARCHITECTURE.get(name))
        if before != now:
            raise InputError(
                f"{path}: contains a model with {name} {before}, but this one has {now}; choose another --model_dir"
            )
    for name in ("training_set", "normalization"):
        if found[name] != identity[name]:
            raise InputError(
                f"{path}: contains a model trained on {found['training_set']['images']:,} other images, not on these "
                f"{identity['training_set']['images']:,}; choose another --model_dir"
            )
