"""Imports TensorFlow faster and without its log messages, and sets how exact and repeatable its arithmetic is."""

import gc
import os
import sys
import tempfile

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_WARNINGS, _ERRORS = "1", "2"
_NO_METADATA = "TPU_SKIP_MDS_QUERY"


def import_tensorflow() -> str:
    """Imports TensorFlow and hides its messages about its build, the CPU and missing GPUs.

    TensorFlow writes them before it applies a log level, so standard error is redirected to a temporary file during the
    import, and shown only if the import fails. TF_CPP_MIN_LOG_LEVEL is set during the import only, because child
    processes inherit it. If it is set already, a later import prints all messages of that level.

    The garbage collector is disabled during the import: it would traverse all imported objects repeatedly, which takes
    a fifth of the time.

    Returns:
        What TensorFlow printed, for `accelerators.find_devices`; "" if it is imported already or its log level is set.
    """
    if "tensorflow" in sys.modules or _LOG_LEVEL in os.environ:
        return ""
    # A GPU that cannot be used is a warning in TensorFlow's log, e.g. "Cannot dlopen some GPU libraries".
    files = device_files()
    os.environ[_LOG_LEVEL] = _WARNINGS if files else _ERRORS
    if not files:
        os.environ.setdefault(_NO_METADATA, "1")  # otherwise libtpu waits minutes for an answer outside of Google Cloud
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
        notes.seek(0)
        return notes.read().decode(errors="replace")


DEVICE_FILES = ("/dev/nvidia0", "/dev/accel0", "/dev/vfio/0")
"""The device file of the first NVIDIA GPU, and those of the first TPU, which depend on its generation."""


def device_files() -> list[str]:
    """Returns the device files of accelerators that exist on this machine."""
    return [path for path in DEVICE_FILES if os.path.exists(path)]


def set_arithmetic(tensor_float_32: bool, deterministic: bool) -> None:
    """Sets the arithmetic of TensorFlow, before its first operation.

    Args:
        tensor_float_32: whether NVIDIA GPUs round the factors of products of float32 to 10 bits, which is faster and
            TensorFlow's own default.
        deterministic: whether GPUs compute sums in a fixed order. On a CPU, each run has the same bits with and without
            it, but the two may differ in the last digit.
    """
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
