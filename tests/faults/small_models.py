"""Trains models on images of 4 x 4 pixels, the smallest that the network accepts.

A checkpoint has one megabyte, and a run takes seconds.
"""

import os
import subprocess
import sys

from tests import ROOT
from tests.support.labelled import labelled_images, write_folder

FLAGS = ["--network=tutorial",
         "--image_height=4", "--image_width=4", "--batch_size=8", "--learning_rate=0.01", "--precision=float32",
         "--checkpoint_steps=10"]  # fmt: skip
STEPS = 40
FINAL = ("checkpoint", "history.csv", "metrics.json", "predictions.csv", "training.json")


def write_images(root):
    for split, count, seed in (("train", 16, 0), ("test", 8, 1)):
        names, pixels, _ = labelled_images(count, seed, size=(4, 4))
        write_folder(root / split, names, pixels)
    return root


def argv(data, model_dir, steps=STEPS, *flags):
    return [f"--training_data_dir={data}/train", f"--eval_data_dir={data}/test", f"--model_dir={model_dir}", *FLAGS,
            f"--training_steps={steps}", *flags]  # fmt: skip


def command(data, model_dir, steps=STEPS, *flags):
    return [sys.executable, "-m", "trainer.gpu_model", *argv(data, model_dir, steps, *flags)]


def environment_of(**variables):
    """Returns this process's environment with `variables`."""
    return os.environ | variables


def run(*words, environment=None):
    """Runs a command; returns its exit status, standard output and standard error."""
    ran = subprocess.run(
        list(map(str, words)), cwd=ROOT, env=environment_of(**(environment or {})), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout, ran.stderr


def content(folder):
    """Returns {path below the folder: bytes} of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def assert_same_model(model_dir, expected):
    """Asserts that two model folders have the same file names, and the same bytes in all tables and checkpoints."""
    assert names_in(model_dir) == names_in(expected)
    for path in expected.iterdir():
        if path.name in FINAL or "ckpt" in path.name:
            assert (model_dir / path.name).read_bytes() == path.read_bytes(), path.name
