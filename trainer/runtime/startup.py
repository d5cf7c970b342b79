"""Imports TensorFlow faster and without its log messages."""

import gc
import os
import sys
import tempfile

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Imports TensorFlow and hides its messages about its build, the CPU and missing GPUs.

    TensorFlow writes them before it applies a log level, so standard error is redirected to a temporary file during the
    import, and shown only if the import fails. TF_CPP_MIN_LOG_LEVEL is set during the import only, because child
    processes inherit it. If it is set already, a later import prints all messages of that level.

    The garbage collector is disabled during the import: it would traverse all imported objects repeatedly, which takes
    a fifth of the time.
    """
    if "tensorflow" in sys.modules or _LOG_LEVEL in os.environ:
        return
    os.environ[_LOG_LEVEL] = "2"
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        gc.disable()
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            gc.freeze()
            gc.enable()
            del os.environ[_LOG_LEVEL]
            os.dup2(kept, 2)
            os.close(kept)
