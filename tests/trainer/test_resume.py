"""Trainings that are killed or stopped, and continued: the weights are the same, bit for bit."""

import os
import signal
import subprocess
import sys

import pytest

from tests import ROOT
from tests.faults import FULL
from tests.support.labelled import FLAGS, labelled_images, write_folder
from tests.trainer.test_trainers import assert_same_weights

STEPS = 400
NETWORKS = {
    "tutorial": FLAGS,
    "residual": ["--image_height=16", "--image_width=12", "--batch_size=8", "--precision=float32", "--eval_every=70",
                 "--validation_share=0.3", "--dropout=0.2", "--calibrate"],
}  # fmt: skip
FILES = ("history.csv", "metrics.json", "predictions.csv")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 50, 0), ("test", 8, 1)):
        names, pixels, _ = labelled_images(count, seed)
        write_folder(root / split, names, pixels)
    return root


@pytest.fixture(scope="module", params=NETWORKS if FULL else ["residual"])
def network(request):
    """Both networks in the full form, the default one in the short form."""
    return request.param


def command(data, model_dir, network):
    return [sys.executable, "-m", "trainer.gpu_model", f"--training_data_dir={data}/train",
            f"--eval_data_dir={data}/test", f"--model_dir={model_dir}", *NETWORKS[network],
            f"--training_steps={STEPS}",
            "--checkpoint_steps=30"]  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(data, network, tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("models") / "whole"
    subprocess.run(command(data, model_dir, network), cwd=ROOT, check=True, capture_output=True)
    return model_dir


def steps_of(model_dir):
    path = model_dir / "history.csv"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def kill_at(number, data, model_dir, network, step):
    """Starts the command and sends a signal when the history contains a step; returns the exit status."""
    process = subprocess.Popen(
        command(data, model_dir, network), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while steps_of(model_dir) < step and process.poll() is None:
        os.sched_yield()
    process.send_signal(number)
    return process.wait()


def test_a_training_killed_three_times_at_random_steps(data, network, uninterrupted, tmp_path, rng):
    at = sorted(rng.sample(range(20, STEPS - 60), 3))
    for step in at:
        assert kill_at(signal.SIGKILL, data, tmp_path / "m", network, step) == -signal.SIGKILL, f"killed at {at}"
    assert steps_of(tmp_path / "m") < STEPS
    subprocess.run(command(data, tmp_path / "m", network), cwd=ROOT, check=True, capture_output=True)
    assert_same_weights(tmp_path / "m", uninterrupted)
    best = [path.name for path in uninterrupted.glob("best-*")]
    assert len(best) == (network == "residual")
    for name in (*FILES, *best, *(["validation.csv"] if best else [])):
        assert (tmp_path / "m" / name).read_bytes() == (uninterrupted / name).read_bytes(), f"{name}, killed at {at}"
    assert not list((tmp_path / "m").glob("*temp*"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_a_checkpoint(data, network, uninterrupted, tmp_path, number, status):
    assert kill_at(number, data, tmp_path / "m", network, 100) == status
    stopped_at = steps_of(tmp_path / "m")
    assert 100 <= stopped_at < STEPS
    assert f"ckpt-{stopped_at}.index" in os.listdir(tmp_path / "m")
    subprocess.run(command(data, tmp_path / "m", network), cwd=ROOT, check=True, capture_output=True)
    assert_same_weights(tmp_path / "m", uninterrupted)
