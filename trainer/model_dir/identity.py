"""`training.json`: the model, the training set and the options to which the checkpoints in a folder belong."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from preprocess.runtime.errors import InputError
from trainer.data.image_set import ImageSet, Statistics
from trainer.model_dir import checkpoint_files as files
from trainer.model_dir.folder import CHECKPOINT_INDEX, IDENTITY_FILE, ModelDir, read_file
from trainer.model_dir.writing import atomic_replace
from trainer.options import Settings

FORMAT = 1
_ARCHITECTURE = ("height", "width", "channels", "categories")
_TRAINING = ("batch_size", "learning_rate", "dropout", "seed", "class_weights", "precision")


def write_identity(
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
    elif found is not None or (model_dir.local / CHECKPOINT_INDEX).exists() or files.steps_in(model_dir.local):
        raise InputError(f"{model_dir.path}: holds a checkpoint of another program; choose another --model_dir")
    else:
        changes = []
    with atomic_replace(path) as unfinished:
        unfinished.write_text(json.dumps(identity, indent=1) + "\n")
    return changes


def _read(path: Path, model_dir: ModelDir) -> dict | None:
    """What the table of a run holds; without "format" where another program wrote it."""
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
            f"{model_dir.path}/{path.name}: is not what a trainer writes; choose another --model_dir"
        ) from error
    return found


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
