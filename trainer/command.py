"""From a command line to an exit status, for both trainers."""

import os
import sys
import tempfile
from collections.abc import Callable

from preprocess.errors import InputError, RunFailed
from trainer.signals import Stopped

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def exit_status(run: Callable[[], None]) -> int:
    """Runs a command: 0 done, 1 training came to nothing, 2 wrong input, 130 or 143 stopped by a signal."""
    try:
        run()
    except (InputError, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except Stopped as stop:
        print(f"{stop}: the last step is saved; the same command goes on from it", file=sys.stderr)
        return 128 + stop.number
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def import_tensorflow() -> None:
    """Imports TensorFlow without its notes on the build, the CPU and GPUs that are not there.

    They are written before any log level counts, so that standard error is held back meanwhile. A user who sets
    TF_CPP_MIN_LOG_LEVEL sees everything.
    """
    if _LOG_LEVEL in os.environ:
        return
    os.environ[_LOG_LEVEL] = "2"
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
