"""The files of checkpoints: which there are, how one is added, which are deleted.

A checkpoint is `ckpt-<step>.index` and `ckpt-<step>.data-<n>-of-<m>`. Its files are written in a folder of their own,
`.unfinished-ckpt-<step>`, and moved out of it, the index last: as long as something of that name is there, nobody said
that the checkpoint is whole. The file `checkpoint` names the last ones to TensorFlow's own tools; nothing here reads
it, so that nothing depends on it.
"""

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from trainer.model_dir.folder import CHECKPOINT_INDEX, UNFINISHED
from trainer.model_dir.writing import atomic_replace, remove

_FILE = re.compile(r"ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})")
_MARK = re.compile(rf"{re.escape(UNFINISHED)}ckpt-(\d+)")
_UNFINISHED_PATTERNS = (f"{UNFINISHED}*", "ckpt-*_temp*")


def steps_in(folder: Path) -> list[int]:
    """The steps of which there is a file, whole or not, the last one first."""
    return sorted({int(found[1]) for path in folder.iterdir() if (found := _FILE.fullmatch(path.name))}, reverse=True)


def unfinished_in(folder: Path) -> set[int]:
    """The steps whose checkpoint may have been left while it was saved."""
    return {int(found[1]) for path in folder.iterdir() if (found := _MARK.fullmatch(path.name))}


def files_of(folder: Path, step: int) -> list[Path]:
    """The files of a checkpoint, the index last."""
    return sorted(path for path in folder.glob(f"ckpt-{step}.*") if _FILE.fullmatch(path.name))


def write_checkpoint(folder: Path, step: int, write: Callable[[str], object]) -> None:
    """Makes a checkpoint, in place of what there is of this step.

    Args:
        write: makes the files with the prefix that it is given.
    """
    unfinished = folder / f"{UNFINISHED}ckpt-{step}"
    remove(unfinished)
    unfinished.mkdir()
    try:
        write(str(unfinished / f"ckpt-{step}"))
    except BaseException:
        remove(unfinished)  # on a full disk its room is needed
        raise
    for path in files_of(unfinished, step):
        os.replace(path, folder / path.name)
    remove(unfinished)


def keep_only(folder: Path, kept: Collection[int]) -> None:
    """Names the checkpoints that are kept, and deletes all others up to the last of them.

    One after the last can only be damaged; it is left until training has come by again.
    """
    steps = sorted(kept)
    named = [f'model_checkpoint_path: "ckpt-{steps[-1]}"', *(f'all_model_checkpoint_paths: "ckpt-{n}"' for n in steps)]
    with atomic_replace(folder / CHECKPOINT_INDEX) as path:
        path.write_text("\n".join(named) + "\n")
    delete(folder, {step for step in steps_in(folder) if step < steps[-1]}.difference(steps))


def delete(folder: Path, steps: Collection[int]) -> None:
    for step in steps:
        for path in files_of(folder, step):
            path.unlink()


def delete_unfinished(folder: Path) -> None:
    """Deletes what killed runs left under names that are no final ones."""
    for pattern in _UNFINISHED_PATTERNS:
        for path in folder.glob(pattern):
            remove(path)
