"""What the step runs on: which strategy, whether XLA compiles it, in which precision."""

import json
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from preprocess.runtime.errors import InputError
from trainer.options import AUTO, BFLOAT16, FLOAT32

_AMPERE = (8, 0)  # the first compute capability of NVIDIA's with bfloat16
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
_TPU_SECONDS = 10
_TPU_FILES = ("/dev/accel0", "/dev/vfio/0")  # what a TPU VM has


@dataclass(frozen=True)
class Devices:
    """Where a model is trained.

    Attributes:
        strategy: runs the step on every replica.
        description: for a person, e.g. "one CPU".
        has_bfloat16: whether the hardware computes in bfloat16.
        compiled: whether the loss and its gradient go through XLA by themselves. A TPU compiles the whole step anyway.
        max_over_workers: the max_over_workers of the numbers that all workers name; all of them must ask, at the same
            point of their work.
        is_chief: whether this process writes the model; of several workers one does.
    """

    strategy: tf.distribute.Strategy
    description: str
    has_bfloat16: bool
    compiled: bool = False
    max_over_workers: Callable[[float], float] = float
    is_chief: bool = True

    def precision(self, wanted: str) -> str:
        """What "auto" means here; any other wish is granted."""
        if wanted == AUTO:
            return BFLOAT16 if self.has_bfloat16 else FLOAT32
        return wanted


def find_gpus() -> Devices:
    """The workers that TF_CONFIG names, else this machine's GPUs, else its CPU.

    Raises:
        InputError: TF_CONFIG cannot be understood.
    """
    workers, is_chief = _read_tf_config(os.environ.get("TF_CONFIG", ""))
    gpus = tf.config.list_physical_devices("GPU") if workers < 2 else []
    if workers >= 2:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        gpus = tf.config.list_physical_devices("GPU")
        kind = f"{strategy.num_replicas_in_sync} replicas of {workers} workers"
        has_bfloat16 = _gpus_have_bfloat16(gpus) if gpus else cpu_has_bfloat16()
        return Devices(
            strategy, kind, has_bfloat16, max_over_workers=_make_max_over_workers(strategy), is_chief=is_chief
        )
    if not gpus:
        return find_cpu()
    strategy = tf.distribute.MirroredStrategy([f"GPU:{number}" for number in range(len(gpus))])
    return Devices(strategy, f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''}", _gpus_have_bfloat16(gpus))


def find_cpu() -> Devices:
    """The CPU of this machine, without a strategy: a OneDeviceStrategy was 13 % slower here, with the same losses."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Devices(tf.distribute.get_strategy(), f"one CPU ({cores} cores)", cpu_has_bfloat16())


def find_tpu(name: str, zone: str, project: str) -> Devices | None:
    """The TPU that is named, or else the one that the environment tells of; None where there is none.

    Raises:
        InputError: a TPU is named and cannot be reached.
    """
    found = name or os.environ.get("TPU_NAME") or ("local" if any(map(os.path.exists, _TPU_FILES)) else "")
    if not found:
        return None
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu=found, zone=zone or None, project=project or None
        )
        if found != "local":
            _check_reachable(resolver.master())
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        strategy = tf.distribute.TPUStrategy(resolver)
    except (tf.errors.OpError, ValueError, RuntimeError, ImportError, OSError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"TPU {found!r} cannot be used: {said[0]}; check --tpu, --tpu_zone and --gcp_project"
        ) from error
    return Devices(strategy, f"TPU {found!r}, {strategy.num_replicas_in_sync} cores", has_bfloat16=True)


def rehearse_tpu(replicas: int) -> Devices:
    """The CPU as so many logical devices, the step compiled by XLA: what a TPU asks of a program, but not its speed.

    Raises:
        InputError: TensorFlow runs already, with another number of devices.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or [None]) != replicas:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        except RuntimeError as error:
            raise InputError(f"TensorFlow runs already, not with {replicas} devices; start a new process") from error
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)])
    return Devices(strategy, f"one CPU as {replicas} logical devices, XLA", cpu_has_bfloat16(), compiled=True)


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bfloat16 (AVX512-BF16 or AMX), as Linux tells; elsewhere no."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and not _BFLOAT16_FLAGS.isdisjoint(flags[1].split())


def _check_reachable(master: str) -> None:
    """TensorFlow would wait for ever for a TPU that does not answer."""
    host, _, port = master.removeprefix("grpc://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=_TPU_SECONDS).close()


def _make_max_over_workers(strategy: tf.distribute.Strategy) -> Callable[[float], float]:
    @tf.function
    def gather(number: tf.Tensor) -> tf.Tensor:
        return strategy.gather(strategy.run(lambda: tf.reshape(number, [1])), axis=0)

    def max_over_workers(number: float) -> float:
        return float(gather(tf.constant(number, tf.float64)).numpy().max())

    return max_over_workers


def _gpus_have_bfloat16(gpus: list) -> bool:
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
    return all(detail.get("compute_capability", (0, 0)) >= _AMPERE for detail in details)


def _read_tf_config(text: str) -> tuple[int, bool]:
    """How many workers TF_CONFIG names, and whether this is the chief: (1, True) without it."""
    if not text:
        return 1, True
    try:
        config = json.loads(text)
        cluster = config.get("cluster") or {}
        workers = [(kind, number) for kind in ("chief", "worker") for number in range(len(cluster.get(kind, [])))]
        if len(workers) < 2:
            return 1, True
        task = config["task"]["type"], int(config["task"]["index"])
        if task not in workers:
            raise ValueError(f"its task is {task[0]} {task[1]}, which is neither chief nor worker")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"TF_CONFIG cannot be understood ({error}); expected JSON with cluster and task") from error
    return len(workers), task == workers[0]
