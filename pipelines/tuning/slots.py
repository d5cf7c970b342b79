"""Divides the GPUs and the CPU cores of this machine among the trainings that run at the same time."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from preprocess.runtime.errors import InputError

GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"
_CORES = 4  # default number of cores of a training without a GPU


@dataclass(frozen=True)
class Slot:
    """What one training may use.

    Attributes:
        gpu: a value of CUDA_VISIBLE_DEVICES; None without a GPU.
        cores: the numbers of CPU cores; empty if the system cannot restrict a process to some of them.
    """

    gpu: str | None
    cores: tuple[int, ...]


def make_slots(workers: int | None) -> list[Slot]:
    """Returns a slot for each training that may run at the same time; all have the same number of cores.

    Args:
        workers: number of slots; None for one for each GPU, or without GPUs one for each 4 cores, and at least one.

    Raises:
        InputError: there are fewer GPUs or cores.
    """
    gpus = find_gpus()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    available = len(gpus) or len(cores) or os.cpu_count() or 1
    count = workers or len(gpus) or max(1, available // _CORES)
    if count > available:
        kind = "GPUs" if gpus else "CPU cores"
        raise InputError(f"--workers {count}: this machine has {available} {kind}; give at most {available}")
    share = len(cores) // count
    return [
        Slot(gpus[number] if gpus else None, tuple(cores[number * share : (number + 1) * share]))
        for number in range(count)
    ]


def find_gpus() -> list[str]:
    """Returns the GPUs as values of CUDA_VISIBLE_DEVICES: from this variable if it is set, or from nvidia-smi."""
    if GPU_VARIABLE in os.environ:
        return [name.strip() for name in os.environ[GPU_VARIABLE].split(",") if name.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout.split() if ran.returncode == 0 else []
