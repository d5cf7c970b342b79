"""Two runs into one place: the second ends at once and says who is there; a dead run's lock holds nobody up."""

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tests.faults.small_models import command as training
from tests.faults.small_models import environment_of
from tests.pipelines.test_preprocess import tree
from tests.support.cloud import objects
from tests.support.environments import ROOT
from tests.support.faulty_proxy import proxy
from tests.support.films import Described, write_download

TRAIN = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
TEST = [Described("Mass-Test_P_00008_LEFT_MLO", "1")]
WITHOUT_LEASE = "from preprocess.files import lease; lease.LEASE_SECONDS = -1.0;"
"""For a program that takes a lock over at once which nobody has renewed for a minute: the waiting, left out."""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_download(root, TRAIN, TEST, ["as in the CSV"])
    return root


@pytest.fixture(scope="module")
def expected(films):
    ended(start(films, films / "expected"))
    return tree(films / "expected")


@pytest.fixture
def store(bucket):
    """A bucket behind a proxy that keeps the service's promise about generations."""
    blobs, environment = bucket
    with proxy(environment["STORAGE_EMULATOR_HOST"], lambda *_: None) as server:
        yield blobs, environment | {"STORAGE_EMULATOR_HOST": server.url}


def start(films, out, environment=None, before=""):
    argv = ["--input", films / "images", "--train_csv", films / "csv/train.csv", "--test_csv", films / "csv/test.csv",
            "--output", out, "--direct_num_workers=1"]  # fmt: skip
    program = f"{before}import sys; from pipelines import preprocess; sys.exit(preprocess.main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, argv)], cwd=ROOT, env=os.environ | (environment or {}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process):
    said, error = process.communicate()
    assert process.returncode == 0, said + error
    return said


def stopped_while_it_writes(process, is_there):
    """Stops a run as soon as its lock is there."""
    while not is_there():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGSTOP)
    return process


def refused(process, out, holder):
    _, error = process.communicate()
    who = re.escape(f"{getpass.getuser()}@{socket.gethostname()}, process {holder.pid}")
    since = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    line = rf"error: {re.escape(str(out))}: another run is writing there \({who}, since {since}"
    assert re.match(line, error), error
    assert (process.returncode, error.count("\n")) == (2, 1)
    return error


def test_in_a_folder(films, expected, tmp_path):
    out = tmp_path / "out"
    lock = out / ".lock"
    first = stopped_while_it_writes(start(films, out), lambda: lock.exists() and lock.read_bytes())
    refused(start(films, out), out, first)
    first.send_signal(signal.SIGCONT)
    ended(first)
    assert tree(out) == expected
    assert "already holds this data set" in ended(start(films, out))


def test_a_dead_run_in_a_folder(films, expected, tmp_path):
    out = tmp_path / "out"
    lock = out / ".lock"
    first = stopped_while_it_writes(start(films, out), lambda: lock.exists() and lock.read_bytes())
    first.kill()
    first.communicate()
    assert lock.exists()
    ended(start(films, out))
    assert tree(out) == expected


def test_a_lock_that_is_a_link_is_not_followed(films, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "out/.lock").symlink_to(tmp_path / "mine")
    process = start(films, tmp_path / "out")
    _, error = process.communicate()
    assert (process.returncode, error.count("\n")) == (2, 1)
    assert "cannot be written to" in error
    assert (tmp_path / "mine").read_text() == "mine"


def test_in_a_bucket(films, expected, store):
    blobs, environment = store
    lock = blobs.blob("two/.lock")
    first = stopped_while_it_writes(start(films, "gs://films/two", environment), lock.exists)
    error = refused(start(films, "gs://films/two", environment), "gs://films/two", first)
    assert "if that run was killed, its lock expires 60 s after its last renewal" in error
    first.send_signal(signal.SIGCONT)
    ended(first)
    assert objects(blobs, "two/") == expected


def test_a_dead_run_in_a_bucket(films, expected, store):
    blobs, environment = store
    first = stopped_while_it_writes(start(films, "gs://films/dead", environment), blobs.blob("dead/.lock").exists)
    first.kill()
    first.communicate()
    assert blobs.blob("dead/.lock").exists()
    ended(start(films, "gs://films/dead", environment, WITHOUT_LEASE))
    assert objects(blobs, "dead/") == expected


def test_a_run_that_was_held_up_for_long_publishes_nothing(films, store):
    """It wakes up when another run, with another outcome, is writing in its place."""
    blobs, environment = store
    lock = blobs.blob("held/.lock")
    first = stopped_while_it_writes(start(films, "gs://films/held", environment), lock.exists)
    lock.upload_from_string(json.dumps({"who": "somebody", "since": "now", "token": "other"}))
    first.send_signal(signal.SIGCONT)
    _, error = first.communicate()
    assert first.returncode == 1, error
    assert error == (
        "error: gs://films/held: another run has taken it over while this one was suspended; wait until it has ended\n"
    )
    assert not blobs.blob("held/manifest.json").exists()
    assert json.loads(lock.download_as_bytes())["who"] == "somebody"


def train(data, model_dir, steps, environment=None):
    return subprocess.Popen(
        training(data, model_dir, steps), cwd=ROOT, env=environment_of(**(environment or {})), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_trainings_into_one_folder(data, tmp_path):
    out = tmp_path / "model"
    lock = out / ".lock"
    first = train(data, out, 100_000)
    stopped_while_it_writes(first, lambda: lock.exists() and lock.read_bytes())
    refused(train(data, out, 1), out, first)
    first.kill()
    first.communicate()
    ended(train(data, out, 1))
    assert (out / "metrics.json").exists()
    assert not lock.exists()


def test_a_training_that_was_held_up_for_long_uploads_nothing(data, store):
    """Another one has its folder by then, and its checkpoints are left alone."""
    blobs, environment = store
    lock = blobs.blob("model/.lock")
    first = train(data, "gs://films/model", 20, environment)
    stopped_while_it_writes(first, lock.exists)
    lock.upload_from_string(json.dumps({"who": "somebody", "since": "now", "token": "other"}))
    first.send_signal(signal.SIGCONT)
    _, error = first.communicate()
    assert (first.returncode, error.count("\n")) == (1, 1), error
    assert "another run has taken it over while this one was suspended" in error
    assert set(objects(blobs, "model/")) == {".lock"}


@pytest.mark.parametrize("path", ["foo://x/out", "s3://bucket/out"])
def test_a_place_that_nothing_reaches_is_one_line(path, films):
    process = start(films, path)
    _, error = process.communicate()
    assert (process.returncode, error.count("\n")) == (2, 1), error
    assert error.startswith(f"error: {path}")
    assert ":// is not supported; give a local path or a gs:// path" in error
