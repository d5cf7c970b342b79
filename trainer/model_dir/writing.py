"""Writes files of a model atomically, and converts the errors of a failed write to messages."""

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
_CAUSES = sorted(map(os.strerror, errno.errorcode), key=len, reverse=True)  # longest first: some contain others
_PLACE = re.compile(r"\{\{.*?\}\} ?")  # the node of a TensorFlow graph, in an error message


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Converts OSError, and OpError of TensorFlow, to RunFailed.

    Args:
        path: the file or folder that is written, for the message.

    Raises:
        RunFailed: an OSError or OpError was raised within the context.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        found = _cause(error)
        then = "free disk space" if found in _FULL else "correct this"
        raise RunFailed(
            f"{path}: cannot be written ({found}); {then} and run the same command: it continues from the last "
            f"checkpoint"
        ) from error


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, without the node and operation of the TensorFlow graph."""
    lines = _PLACE.sub("", str(error)).strip().splitlines() or [type(error).__name__]
    return lines[0].partition(" [Op:")[0]


def _cause(error: Exception) -> str:
    """Returns the message of the system: TensorFlow writes it after a path, HDF5 inside a sentence."""
    if isinstance(error, OSError) and error.strerror in _CAUSES:
        return error.strerror
    return next((text for text in _CAUSES if text in str(error)), first_line(error))


@contextmanager
def atomic_replace(target: Path) -> Iterator[Path]:
    """Yields a temporary path for a file or folder, and renames it to the target when the context is left.

    The temporary name ends with the name of the target, because some writers choose the format by the suffix. After an
    exception, the temporary file or folder is deleted.

    Raises:
        RunFailed: it cannot be written.
    """
    unfinished = target.with_name(f"{UNFINISHED}{target.name}")
    with write_errors(target):
        remove(unfinished)
        try:
            yield unfinished
            if unfinished.is_dir():
                remove(target)  # os.replace cannot replace a folder that has files
            os.replace(unfinished, target)
        finally:
            remove(unfinished)


def remove(path: Path) -> None:
    """Deletes a file or a folder with everything in it, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
