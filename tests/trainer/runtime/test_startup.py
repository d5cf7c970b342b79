"""What TensorFlow prints at its import is shown if an accelerator is there and not used; a CPU can be refused.

The device files are made in a mount namespace of the child process, so nothing changes outside of it.
"""

import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.support.labelled import FLAGS, labelled_images, write_folder, write_records

FAKE_DEVICE = """
mount -t tmpfs tmpfs "$1" && shift
for name in null zero random urandom; do touch "$DEV/$name" && mount --bind /dev/$name "$DEV/$name"; done
mkdir "$DEV/shm" && mount --bind /dev/shm "$DEV/shm"
touch "$DEV/nvidia0"
mount --rbind "$DEV" /dev
exec "$@"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 16, 0), ("test", 8, 1)):
        names, pixels, labels = labelled_images(count, seed)
        write_folder(root / split, names, pixels)
        write_records(root / f"{split}.tfrecords", names, pixels, labels)
    return root


def gpu_model(data, model_dir, *flags):
    return [sys.executable, "-m", "trainer.gpu_model", f"--training_data_dir={data}/train", *FLAGS, *flags,
            f"--eval_data_dir={data}/test", f"--model_dir={model_dir}", "--training_steps=1"]  # fmt: skip


def tpu_model(data, model_dir, *flags):
    return [sys.executable, "-m", "trainer.tpu_model", f"--training_data={data}/train.tfrecords", *FLAGS, *flags,
            f"--eval_data={data}/test.tfrecords", f"--model_dir={model_dir}", "--training_steps=1"]  # fmt: skip


def run(command, *before, **environment):
    return subprocess.run(
        [*before, *command], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def with_device_file(tmp_path):
    """A function that runs a command with a file /dev/nvidia0, behind which there is no GPU."""
    (tmp_path / "dev").mkdir()
    before = ["unshare", "--mount", "bash", "-euc", FAKE_DEVICE, "bash", str(tmp_path / "dev")]
    probe = run(["true"], *before, DEV=str(tmp_path / "dev"))
    if probe.returncode:
        pytest.skip(f"needs the right to mount a file system ({probe.stderr.strip()})")
    return lambda command: run(command, *before, DEV=str(tmp_path / "dev"))


def test_without_a_device_file_nothing_is_printed(data, tmp_path):
    ran = run(gpu_model(data, tmp_path / "m"))
    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_accelerator_that_is_not_used_is_reported(data, tmp_path, with_device_file):
    ran = with_device_file(gpu_model(data, tmp_path / "m"))
    *messages, warning = [line for line in ran.stderr.splitlines() if "cuda" in line.lower() or "warning: " in line]
    assert ran.returncode == 0
    assert messages  # of TensorFlow: there is no driver
    assert warning.startswith(
        "warning: /dev/nvidia0 exists, but TensorFlow uses no accelerator (its messages are above)"
    )
    assert (tmp_path / "m/metrics.json").exists()


def test_a_required_accelerator_that_is_not_used_is_an_error(data, tmp_path, with_device_file):
    ran = with_device_file(gpu_model(data, tmp_path / "m", "--require_accelerator"))
    assert ran.returncode == 2
    assert "cuda" in ran.stderr.lower()
    assert ran.stderr.splitlines()[-1].startswith(
        "error: TensorFlow finds no accelerator (there is /dev/nvidia0); install its driver and the TensorFlow for it, "
    )
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("trainer", ["gpu_model", "tpu_model"])
def test_a_required_accelerator_that_is_absent_is_an_error(data, tmp_path, trainer):
    command = gpu_model(data, tmp_path / "m", "--require_accelerator")
    if trainer == "tpu_model":
        command = tpu_model(data, tmp_path / "m", "--require_accelerator")
    ran = run(command)
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].startswith(
        "error: TensorFlow finds no accelerator (there is no /dev/nvidia0, /dev/accel0 or /dev/vfio/0); install "
    )
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(("one", "other"), [([], ["--precision=tf32"]), (["--deterministic"], ["--deterministic"])])
def test_options_for_gpus_have_the_same_bits_on_a_cpu(data, tmp_path, one, other):
    for name, flags in (("one", one), ("other", other)):
        ran = run(gpu_model(data, tmp_path / name, "--training_steps=5", *flags))
        assert ran.returncode == 0, ran.stderr
    for name in ("history.csv", "predictions.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize(("precision", "allowed"), [("float32", False), ("tf32", True)])
def test_tensor_float_32_is_off_unless_it_is_asked_for(data, tmp_path, precision, allowed):
    script = (
        "import sys; from trainer import gpu_model; gpu_model.run(sys.argv[1:], __import__('preprocess.runtime.log', "
        "fromlist=['Log']).Log()); import tensorflow as tf; "
        "print('allowed', tf.config.experimental.tensor_float_32_execution_enabled())"
    )
    ran = run([sys.executable, "-c", script, *gpu_model(data, tmp_path / "m", f"--precision={precision}")[3:]])
    assert ran.stdout.splitlines()[-1] == f"allowed {allowed}", ran.stderr


def test_a_tpu_that_is_not_there_is_one_line(data, tmp_path):
    ran = run(tpu_model(data, tmp_path / "m", "--tpu=local"))
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == (
        "error: TPU 'local' cannot be used: this machine has no /dev/accel0 and no /dev/vfio/0; check --tpu, "
        "--tpu_zone and --gcp_project"
    )
