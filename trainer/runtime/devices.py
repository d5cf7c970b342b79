"""Finds the devices of a training: TPU, workers, GPUs or CPU, with the distribution strategy and precision for them."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from preprocess.runtime.errors import InputError
from trainer.runtime.cluster import Cluster
from trainer.settings import AUTO, BFLOAT16, FLOAT32

CPU, GPU, TPU = "CPU", "GPU", "TPU"

_AMPERE = (8, 0)  # the lowest compute capability of NVIDIA GPUs with bfloat16
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of /proc/cpuinfo


@dataclass(frozen=True)
class Devices:
    """The devices on which a model is trained.

    Attributes:
        strategy: runs the step on every replica.
        kind: `CPU`, `GPU` or `TPU`.
        description: for messages, e.g. "one CPU (2 cores)".
        has_bfloat16: whether the hardware computes in bfloat16.
        compiled: whether the loss and its gradient are compiled by XLA explicitly. Not needed on a TPU, which compiles
            the whole step anyway.
        max_over_workers: returns the largest of the numbers that the workers pass. A collective operation: all workers
            must call it at the same point of the run.
        is_chief: whether this process writes the model; true for exactly one of several workers.
        io_device: the device that reads and writes checkpoints; None for the device of each variable, which is wrong
            if that is on another machine with other disks.
    """

    strategy: tf.distribute.Strategy
    kind: str
    description: str
    has_bfloat16: bool
    compiled: bool = False
    max_over_workers: Callable[[float], float] = float
    is_chief: bool = True
    io_device: str | None = None

    def resolve_precision(self, wanted: str) -> str:
        """Returns the precision that "auto" selects on these devices; returns any other value unchanged."""
        if wanted == AUTO:
            return BFLOAT16 if self.has_bfloat16 else FLOAT32
        return wanted


def find_gpus(cluster: Cluster) -> Devices:
    """Returns the workers of a cluster, if there are at least two; otherwise this machine's GPUs; otherwise its CPU."""
    if cluster.size >= 2:
        return _connect_workers(cluster)
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return find_cpu()
    strategy = tf.distribute.MirroredStrategy([f"GPU:{number}" for number in range(len(gpus))])
    return Devices(strategy, GPU, f"{len(gpus)} GPU{'s' if len(gpus) > 1 else ''}", _gpus_have_bfloat16(gpus))


def _connect_workers(cluster: Cluster) -> Devices:
    """Waits for the other workers and connects to them.

    Raises:
        InputError: they cannot be connected, e.g. because another process uses the port of this one.
    """
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster.addresses), task_type=cluster.role, task_id=cluster.index, rpc_layer="grpc"
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"the workers of TF_CONFIG cannot be connected: {lines[0]}; give each process the same cluster with free "
            f"ports, and a task of its own"
        ) from error
    gpus = tf.config.list_physical_devices("GPU")
    description = f"{strategy.num_replicas_in_sync} replicas of {cluster.size} workers"
    has_bfloat16 = _gpus_have_bfloat16(gpus) if gpus else cpu_has_bfloat16()
    return Devices(
        strategy, GPU if gpus else CPU, description, has_bfloat16, max_over_workers=_make_max_over_workers(strategy),
        is_chief=cluster.is_chief,
    )  # fmt: skip


def find_cpu() -> Devices:
    """Returns the CPU of this machine, with TensorFlow's default strategy.

    Training with a OneDeviceStrategy was measured to be 13 % slower, with the same losses.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Devices(tf.distribute.get_strategy(), CPU, f"one CPU ({cores} cores)", cpu_has_bfloat16())


def rehearse_tpu(replicas: int) -> Devices:
    """Returns the CPU divided into logical devices, with the step compiled by XLA.

    This tests whether a program meets the requirements of a TPU; it does not show the speed of a TPU.

    Args:
        replicas: number of logical devices.

    Raises:
        InputError: TensorFlow is already initialized with another number of devices.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or [None]) != replicas:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        except RuntimeError as error:
            raise InputError(
                f"TensorFlow is already initialized, but not with {replicas} devices; start a new process"
            ) from error
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)])
    return Devices(strategy, CPU, f"one CPU as {replicas} logical devices, XLA", cpu_has_bfloat16(), compiled=True)


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bfloat16 (AVX512-BF16 or AMX), according to /proc/cpuinfo; False on other systems."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and not _BFLOAT16_FLAGS.isdisjoint(flags[1].split())


def _make_max_over_workers(strategy: tf.distribute.Strategy) -> Callable[[float], float]:
    """Returns `Devices.max_over_workers` for a strategy with several workers."""

    @tf.function
    def gather(number: tf.Tensor) -> tf.Tensor:
        return strategy.gather(strategy.run(lambda: tf.reshape(number, [1])), axis=0)

    def max_over_workers(number: float) -> float:
        return float(gather(tf.constant(number, tf.float64)).numpy().max())

    return max_over_workers


def _gpus_have_bfloat16(gpus: list) -> bool:
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
    return all(detail.get("compute_capability", (0, 0)) >= _AMPERE for detail in details)
