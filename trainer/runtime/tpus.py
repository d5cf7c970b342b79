"""Finds a TPU: that of this machine, or one on another host by its name or address."""

import os
import socket

import tensorflow as tf

from preprocess.runtime.errors import InputError
from trainer.runtime.devices import TPU, Devices

_TPU_SECONDS = 10  # limit for connecting to a TPU
_TPU_FILES = ("/dev/accel0", "/dev/vfio/0")  # device files of a TPU VM
LOCAL_HOST = "/job:localhost"  # TensorFlow's name of this process, if a TPU is on another host
_NO_CAUSE = ("Graph execution error", "Detected at node", "<stack traces", "[[{{")  # around the cause in an OpError


def find_tpu(name: str, zone: str, project: str) -> Devices | None:
    """Returns the TPU with this name, or else the one in TPU_NAME, or else that of a TPU VM; None if there is none.

    Args:
        name: name or address of the TPU, "local" on a TPU VM; "" for the TPU of the environment.
        zone, project: of the TPU; may be "".

    Raises:
        InputError: the TPU cannot be reached or used.
    """
    found = name or os.environ.get("TPU_NAME") or ("local" if any(map(os.path.exists, _TPU_FILES)) else "")
    if not found:
        return None
    if found == "local" and not any(map(os.path.exists, _TPU_FILES)):  # with PJRT, TensorFlow ends the process
        raise InputError(_error(found, f"this machine has no {' and no '.join(_TPU_FILES)}"))
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu=found, zone=zone or None, project=project or None
        )
        if found != "local":
            _check_reachable(resolver.master())
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        strategy = tf.distribute.TPUStrategy(resolver)
    except (tf.errors.OpError, ValueError, RuntimeError, ImportError, OSError, *_lookup_errors()) as error:
        raise InputError(_error(found, _tpu_fault(error))) from error
    return Devices(
        strategy, TPU, f"TPU {found!r}, {strategy.num_replicas_in_sync} cores", has_bfloat16=True,
        io_device=None if found == "local" else LOCAL_HOST,
    )  # fmt: skip


def _error(name: str, fault: str) -> str:
    return f"TPU {name!r} cannot be used: {fault}; check --tpu, --tpu_zone and --gcp_project"


def _tpu_fault(error: Exception) -> str:
    """Returns one line that says why a TPU cannot be used."""
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line for line in lines if line and not line.startswith(_NO_CAUSE)]
    return causes[0] if causes else type(error).__name__


def _lookup_errors() -> tuple[type[Exception], ...]:
    """Returns the errors of the packages with which TensorFlow looks up the address of a TPU, if they are installed."""
    try:
        from googleapiclient.errors import Error as ServiceError
        from oauth2client.client import Error as CredentialsError
    except ImportError:
        return ()
    return ServiceError, CredentialsError


def _check_reachable(master: str) -> None:
    """Connects to a TPU with a time limit, because TensorFlow waits forever for a TPU that does not answer.

    Raises:
        OSError, ValueError: the connection fails, or the address has no port.
    """
    host, _, port = master.removeprefix("grpc://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=_TPU_SECONDS).close()
