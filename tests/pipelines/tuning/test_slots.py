"""GPUs and cores of the trainings that run at the same time."""

import os

import pytest

from pipelines.tuning.slots import Slot, make_slots
from preprocess.runtime.errors import InputError


def test_one_training_for_each_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-abc")
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    assert make_slots(None) == [Slot("3", tuple(cores[:half])), Slot("GPU-abc", tuple(cores[half : 2 * half]))]
    assert make_slots(1) == [Slot("3", tuple(cores))]
    with pytest.raises(InputError, match="--workers 3: this machine has 2 GPUs; give at most 2"):
        make_slots(3)


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_cores_without_gpus(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    cores = sorted(os.sched_getaffinity(0))
    assert len(make_slots(None)) == max(1, len(cores) // 4)
    assert make_slots(len(cores)) == [Slot(None, (core,)) for core in cores]
    with pytest.raises(InputError, match=f"--workers {len(cores) + 1}: this machine has {len(cores)} CPU cores; give"):
        make_slots(len(cores) + 1)
