"""Lists, writes and deletes the files of checkpoints, for `checkpoints`.

A checkpoint consists of `ckpt-<step>.index` and `ckpt-<step>.data-<n>-of-<m>`. Its files are written in the folder
`.unfinished-ckpt-<step>` and then moved to the model's folder, the index last. This folder, or in gs:// an empty object
of the same name, is a mark: while the mark exists, the checkpoint counts as incomplete, and it is not an error if it
cannot be read. The file `checkpoint` names the last checkpoints for TensorFlow's tools; this project
does not read its content.
"""

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from preprocess.runtime.errors import RunFailed
from trainer.model_dir.folder import CHECKPOINT_INDEX, UNFINISHED
from trainer.model_dir.writing import atomic_replace, remove

_FILE = re.compile(r"ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})")
_MARK = re.compile(rf"{re.escape(UNFINISHED)}ckpt-(\d+)")
_UNFINISHED_PATTERNS = (f"{UNFINISHED}*", "ckpt-*_temp*")


def steps_in(folder: Path) -> list[int]:
    """Lists the steps with at least one checkpoint file, complete or not, the last step first."""
    return sorted({int(found[1]) for path in folder.iterdir() if (found := _FILE.fullmatch(path.name))}, reverse=True)


def unfinished_in(folder: Path) -> set[int]:
    """Returns the steps whose checkpoint has the mark of an incomplete one."""
    return {int(found[1]) for path in folder.iterdir() if (found := _MARK.fullmatch(path.name))}


def files_of(folder: Path, step: int) -> list[Path]:
    """Lists the files of a checkpoint, the index last."""
    return sorted(path for path in folder.glob(f"ckpt-{step}.*") if _FILE.fullmatch(path.name))


def write_checkpoint(folder: Path, step: int, write: Callable[[str], object]) -> None:
    """Writes a checkpoint and replaces existing files of this step.

    Args:
        write: writes the files; its argument is the prefix of their paths.

    Raises:
        RunFailed: it wrote no index, as TensorFlow does if it saves on another host.
    """
    unfinished = folder / f"{UNFINISHED}ckpt-{step}"
    remove(unfinished)
    unfinished.mkdir()
    try:
        write(str(unfinished / f"ckpt-{step}"))
        if not (unfinished / f"ckpt-{step}.index").exists():
            raise RunFailed(
                f"{folder}: TensorFlow wrote nothing for ckpt-{step}; training on a TPU of another host needs a "
                f"--model_dir that this machine can write to: choose another one"
            )
    except BaseException:
        remove(unfinished)  # frees its space, in case the disk is full
        raise
    for path in files_of(unfinished, step):
        os.replace(path, folder / path.name)
    remove(unfinished)


def keep_only(folder: Path, kept: Collection[int]) -> None:
    """Writes the names of the kept checkpoints to `checkpoint`, and deletes all others before the last of them.

    A checkpoint after the last kept one is damaged; it is deleted when training has passed its step.
    """
    steps = sorted(kept)
    named = [f'model_checkpoint_path: "ckpt-{steps[-1]}"', *(f'all_model_checkpoint_paths: "ckpt-{n}"' for n in steps)]
    with atomic_replace(folder / CHECKPOINT_INDEX) as path:
        path.write_text("\n".join(named) + "\n")
    delete(folder, {step for step in steps_in(folder) if step < steps[-1]}.difference(steps))


def delete(folder: Path, steps: Collection[int]) -> None:
    """Deletes the files of some checkpoints."""
    for step in steps:
        for path in files_of(folder, step):
            path.unlink()


def delete_unfinished(folder: Path) -> None:
    """Deletes the temporary files and folders that killed runs left."""
    for pattern in _UNFINISHED_PATTERNS:
        for path in folder.glob(pattern):
            remove(path)
