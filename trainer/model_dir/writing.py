"""Files of a model that are whole or not there, and what is said when a disk does not take them."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from preprocess.runtime.errors import RunFailed
from trainer.model_dir.folder import UNFINISHED

_FULL = {os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)}
_CAUSES = sorted(map(os.strerror, errno.errorcode), key=len, reverse=True)  # "... exists" is part of nothing longer
_PLACE = re.compile(r"\{\{.*?\}\} ?")  # where in a graph an error came up


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Says in a line that a file could not be written, whoever wrote it.

    Raises:
        RunFailed: the disk says no, to Python or to TensorFlow.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        found = _cause(error)
        then = "make room" if found in _FULL else "see to it"
        raise RunFailed(
            f"{path}: cannot be written ({found}); {then} and run the same command, which goes on from the last "
            f"checkpoint"
        ) from error


def first_line(error: Exception) -> str:
    """What an error has to say, without where in a graph it came up."""
    lines = _PLACE.sub("", str(error)).strip().splitlines() or [type(error).__name__]
    return lines[0].partition(" [Op:")[0]


def _cause(error: Exception) -> str:
    """The system's own words: TensorFlow puts them behind a path, HDF5 inside a sentence."""
    if isinstance(error, OSError) and error.strerror in _CAUSES:
        return error.strerror
    return next((words for words in _CAUSES if words in str(error)), first_line(error))


@contextmanager
def atomic_replace(target: Path) -> Iterator[Path]:
    """A place to write a file or folder to, which takes the target's name once it is whole.

    The place ends as the target does, as some writers go by that.

    Raises:
        RunFailed: it cannot be written; nothing of it is left.
    """
    unfinished = target.with_name(f"{UNFINISHED}{target.name}")
    with write_errors(target):
        remove(unfinished)
        try:
            yield unfinished
            if unfinished.is_dir():
                remove(target)  # a folder cannot be replaced in one go
            os.replace(unfinished, target)
        finally:
            remove(unfinished)


def remove(path: Path) -> None:
    """Deletes a file or a folder with everything in it, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
