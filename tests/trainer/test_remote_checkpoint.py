"""Variables on another host, as with a TPU at grpc://: checkpoints are written here, and an empty save is refused.

The other host is a TensorFlow server on loopback whose current folder is another one, so that it cannot write here.
"""

import subprocess
import sys

import pytest

from tests import ROOT
from tests.support.ports import claim_ports

SERVER = """
import sys, tensorflow as tf
tf.distribute.Server({"worker": [sys.argv[1]]}, "worker", 0)
print("ready", flush=True)
sys.stdin.read()
"""
CLIENT = """
import os, sys, keras, tensorflow as tf
from pathlib import Path
from preprocess.runtime.log import Log
from trainer.model_dir.checkpoints import Checkpoints
from trainer.model_dir.folder import ModelDir
from trainer.network.optimizers import Momentum
from trainer.runtime.tpus import LOCAL_HOST
address, io_device = sys.argv[1], LOCAL_HOST if sys.argv[2] == "here" else None
tf.config.experimental_connect_to_host(address)
with tf.device("/job:worker"):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")])
    optimizer = Momentum(0.1, momentum=0.9, name="sgd")
    optimizer.build(model.trainable_variables)
    folder = ModelDir("m", Path("m"))
    checkpoints = Checkpoints(folder, model, optimizer, io_device)
    checkpoints.save(7)
    saved = model.get_weights()
    model.layers[0].kernel.assign(tf.zeros((2, 3)))
    print("device", model.layers[0].kernel.value.device)
    print("restored", Checkpoints(folder, model, optimizer, io_device).restore(Log()))
    print("same", (model.get_weights()[0] == saved[0]).all())
"""


@pytest.fixture
def server(tmp_path):
    address = f"localhost:{claim_ports(1)[0]}"
    (tmp_path / "there").mkdir()
    with subprocess.Popen([sys.executable, "-c", SERVER, address], cwd=tmp_path / "there", stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        yield address
        process.terminate()


def run(address, where, folder):
    (folder / "m").mkdir(parents=True)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{CLIENT}", address, where]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_checkpoint_of_variables_on_another_host_is_written_here(server, tmp_path):
    ran = run(server, "here", tmp_path / "here")
    assert ran.returncode == 0, ran.stderr
    device, *rest = ran.stdout.splitlines()
    assert "/job:worker/" in device
    assert rest == ["restored 7", "same True"]
    assert (tmp_path / "here/m/ckpt-7.index").exists()


def test_a_save_that_wrote_nothing_here_is_refused(server, tmp_path):
    (tmp_path / "there/m/.unfinished-ckpt-7").mkdir(parents=True)
    ran = run(server, "there", tmp_path / "here")
    assert ran.returncode == 1
    assert "RunFailed: m: TensorFlow wrote nothing for ckpt-7; " in ran.stderr.splitlines()[-1]
    assert list((tmp_path / "here/m").iterdir()) == []
    assert (tmp_path / "there/m/.unfinished-ckpt-7/ckpt-7.index").exists()
