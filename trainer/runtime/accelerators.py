"""Reports an accelerator that TensorFlow does not use; otherwise a training would be slow without a message."""

import os
from collections.abc import Callable

from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.runtime.devices import CPU, Devices
from trainer.runtime.startup import DEVICE_FILES, device_files


def find_devices(find: Callable[[], Devices], notes: str, required: bool, log: Log) -> Devices:
    """Returns the devices that a function finds; warns about an accelerator that is not among them.

    If they are a CPU, although the device file of an accelerator exists, what TensorFlow printed is shown.

    Args:
        find: returns the devices.
        notes: what TensorFlow printed at its import, see `startup.import_tensorflow`.
        required: whether a CPU is an error.

    Raises:
        InputError: an accelerator is required and none is found; or raised by `find`.
    """
    files = device_files()
    try:
        found = find()
    except InputError:
        _show(notes if files else "")
        raise
    if found.kind != CPU:
        return found
    _show(notes if files or required else "")
    if required:
        seen = f"there is {files[0]}" if files else f"there is no {', '.join(DEVICE_FILES[:-1])} or {DEVICE_FILES[-1]}"
        raise InputError(
            f"TensorFlow finds no accelerator ({seen}); install its driver and the TensorFlow for it, or train on "
            f"{found.description} without --require_accelerator"
        )
    if files:
        log.warning(
            f"{files[0]} exists, but TensorFlow uses no accelerator (its messages are above): training on "
            f"{found.description}; --require_accelerator makes this an error"
        )
    return found


def _show(notes: str) -> None:
    """Writes the messages of TensorFlow to standard error."""
    os.write(2, notes.encode())
