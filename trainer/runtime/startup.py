"""TensorFlow's slow and talkative start."""

import gc
import os
import tempfile

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Imports TensorFlow without its notes on the build, the CPU and GPUs that are not there.

    They are written before any log level counts, so that standard error is held back meanwhile. A user who sets
    TF_CPP_MIN_LOG_LEVEL sees everything.

    The collector of cyclic garbage would go through all that is imported again and again: a fifth of the time.
    """
    if _LOG_LEVEL in os.environ:
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
            os.dup2(kept, 2)
            os.close(kept)
