"""Compares training on one device with eight compiled replicas and with two workers; tests the detection of devices."""

import csv
import json
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests import ROOT
from tests.faults import FULL
from tests.support.labelled import FLAGS, labelled_images, write_folder, write_records
from tests.support.workers import worker_environments
from tests.trainer.test_trainers import assert_same_weights
from trainer.runtime import devices
from trainer.runtime.cluster import Cluster

TRAINING = ["--training_steps=30", "--checkpoint_steps=20"]
RESIDUAL = ["--network=residual", "--eval_every=10", "--warmup_steps=10", "--learning_rate=0.002", "--dropout=0.2"]

NETWORKS = ["residual", "tutorial"] if FULL else ["residual"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 60, 0), ("test", 37, 1)):
        names, pixels, labels = labelled_images(count, seed)
        folder = write_folder(root / split, names, pixels)
        write_records(root / f"{split}.tfrecords", names, pixels, labels)
        assert len(list(folder.iterdir())) == count
    return root


def run(module, *argv, environment=()):
    command = [sys.executable, "-m", f"trainer.{module}", *FLAGS, *TRAINING, *argv]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | dict(environment), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)  # fmt: skip


def run_workers(*argv, first="worker"):
    """Runs gpu_model on two workers at the same time; returns the output of each."""
    processes = [run("gpu_model", *argv, environment=environment) for environment in worker_environments(first=first)]
    return [finish(process) for process in processes]


def tpu_argv(data, model_dir):
    return [f"--training_data={data}/train.tfrecords", f"--eval_data={data}/test.tfrecords", f"--model_dir={model_dir}"]


def gpu_argv(data, model_dir):
    return [f"--training_data_dir={data}/train", f"--eval_data_dir={data}/test", f"--model_dir={model_dir}"]


def finish(process):
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def losses(model_dir):
    return np.array([float(row["loss"]) for row in rows_of(model_dir / "history.csv")])


def metrics(model_dir):
    return json.loads((model_dir / "metrics.json").read_text())


@pytest.mark.parametrize("network", NETWORKS)
def test_compiled_replicas_train_the_same_model_as_one_device(data, full, tmp_path, network):
    """Eight replicas in the full form: beside another test process they take up to two minutes."""
    flags = RESIDUAL if network == "residual" else []
    one, several, replicas = tmp_path / "one", tmp_path / "several", 8 if full else 2
    finish(run("tpu_model", *tpu_argv(data, one), *flags))
    rehearsal = [*flags, "--rehearse_tpu", f"--num_shards={replicas}"]
    output = finish(run("tpu_model", *tpu_argv(data, several), *rehearsal))
    assert f"one CPU as {replicas} logical devices, XLA" in output
    np.testing.assert_allclose(losses(several), losses(one), rtol=0, atol=1e-4)
    assert metrics(several)["confusion"] == metrics(one)["confusion"]
    assert metrics(several)["loss"] == pytest.approx(metrics(one)["loss"], abs=1e-4)
    if flags:
        kappas = [[row["quadratic_weighted_kappa"] for row in rows_of(m / "validation.csv")] for m in (several, one)]
        assert kappas[0] == kappas[1]
        assert len(kappas[0]) == 3


def test_a_rehearsal_continues_to_the_same_weights(data, tmp_path):
    finish(run("tpu_model", *tpu_argv(data, tmp_path / "whole"), "--rehearse_tpu", "--num_shards=2"))
    finish(run("tpu_model", *tpu_argv(data, tmp_path / "m"), "--rehearse_tpu", "--num_shards=2", "--training_steps=13"))
    finish(run("tpu_model", *tpu_argv(data, tmp_path / "m"), "--rehearse_tpu", "--num_shards=2"))
    assert_same_weights(tmp_path / "m", tmp_path / "whole")


def test_a_batch_must_be_a_multiple_of_the_replicas(data, tmp_path):
    process = run("tpu_model", *tpu_argv(data, tmp_path / "m"), "--rehearse_tpu", "--batch_size=12")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "error: --batch_size 12 is not a multiple of the 8 replicas; choose one that is" in output


@pytest.mark.parametrize("network", NETWORKS)
def test_two_workers_train_the_same_model_as_one(data, tmp_path, network):
    """First as two tasks of the role worker, then as a master and a worker."""
    flags = [*RESIDUAL, "--schedule=constant", "--keep=last"] if network == "residual" else []
    outputs = run_workers(*gpu_argv(data, tmp_path / "m"), *flags, "--training_steps=13")
    assert all("on 2 replicas of 2 workers" in text for text in outputs)
    outputs = run_workers(*gpu_argv(data, tmp_path / "m"), *flags, first="master")
    assert all("on 2 replicas of 2 workers" in text for text in outputs)
    assert all("continues from its checkpoint of step 13" in text for text in outputs)
    finish(run("gpu_model", *gpu_argv(data, tmp_path / "one"), *flags))
    np.testing.assert_allclose(losses(tmp_path / "m"), losses(tmp_path / "one"), rtol=0, atol=1e-4)
    assert metrics(tmp_path / "m")["confusion"] == metrics(tmp_path / "one")["confusion"]


@pytest.mark.parametrize(("flags", "expected"), [
    ("fpu avx512f", False), ("fpu avx512_bf16", True), ("amx_bf16", True), ("xavx512_bf16", False), ("", False),
])  # fmt: skip
def test_bfloat16_is_detected_from_the_flags_of_the_cpu(tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(
        f"processor\t: 0\nmodel name\t: avx512_bf16\nflags\t\t: {flags}\nbugs\t\t: amx_bf16\n"
    )
    assert devices.cpu_has_bfloat16(tmp_path / "cpuinfo") is expected
    assert devices.cpu_has_bfloat16(tmp_path / "nowhere") is False


def test_a_port_in_use_ends_a_worker_with_one_line(data, tmp_path):
    environment, _ = worker_environments()
    (port,) = re.findall(r"localhost:(\d+)\", ", environment["TF_CONFIG"])
    with socket.socket() as other:
        other.bind(("localhost", int(port)))
        other.listen()
        process = run("gpu_model", *gpu_argv(data, tmp_path / "m"), environment=environment)
        output, _ = process.communicate()
    assert process.returncode == 2
    assert output.splitlines()[-1].startswith("error: the workers of TF_CONFIG cannot be connected: ")
    assert "Traceback" not in output


def test_a_cluster_of_one_worker_needs_no_connection():
    runtime = devices.find_gpus(Cluster({"chief": ["localhost:1"]}))
    assert (runtime.strategy.num_replicas_in_sync, runtime.is_chief, runtime.compiled) == (1, True, False)
