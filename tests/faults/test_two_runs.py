"""Two runs with the same output: the second ends at once and names the first; the lock of a killed run is replaced."""

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
from tests.support.cloud import assert_same_dataset, objects
from tests.support.environments import ROOT
from tests.support.faulty_proxy import proxy
from tests.support.films import Described, write_download

TRAIN = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
TEST = [Described("Mass-Test_P_00008_LEFT_MLO", "1")]
WITHOUT_LEASE = "from preprocess.files import lease; lease.LEASE_SECONDS = -1.0;"
"""The beginning of a program for which every lock has expired. Otherwise it waits a minute for the last renewal."""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_download(root, TRAIN, TEST, ["as in the CSV"])
    return root


@pytest.fixture(scope="module")
def expected(films):
    finish(start(films, films / "expected"))
    return tree(films / "expected")


@pytest.fixture
def store(bucket):
    """A bucket behind a proxy that checks `ifGenerationMatch`, which the emulator ignores."""
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


def finish(process):
    """Waits for a run that must succeed; returns its output."""
    output, error = process.communicate()
    assert process.returncode == 0, output + error
    return output


def suspend(process, has_lock):
    """Suspends a run as soon as `has_lock()` is true; returns the process."""
    while not has_lock():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGSTOP)
    return process


def assert_refused(process, out, holder):
    """Waits for a run that must end because `holder` has the lock; returns its standard error."""
    _, error = process.communicate()
    who = re.escape(f"{getpass.getuser()}@{socket.gethostname()}, process {holder.pid}")
    since = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    line = rf"error: {re.escape(str(out))}: another run is writing there \({who}, since {since}"
    assert re.match(line, error), error
    assert (process.returncode, error.count("\n")) == (2, 1)
    return error


def test_a_second_run_in_a_folder(films, expected, tmp_path):
    out = tmp_path / "out"
    lock = out / ".lock"
    first = suspend(start(films, out), lambda: lock.exists() and lock.read_bytes())
    assert_refused(start(films, out), out, first)
    first.send_signal(signal.SIGCONT)
    finish(first)
    assert tree(out) == expected
    assert "already contains this data set" in finish(start(films, out))


def test_the_lock_of_a_killed_run_in_a_folder(films, expected, tmp_path):
    out = tmp_path / "out"
    lock = out / ".lock"
    first = suspend(start(films, out), lambda: lock.exists() and lock.read_bytes())
    first.kill()
    first.communicate()
    assert lock.exists()
    finish(start(films, out))
    assert tree(out) == expected


def test_a_lock_that_is_a_symbolic_link_is_not_followed(films, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "out/.lock").symlink_to(tmp_path / "mine")
    process = start(films, tmp_path / "out")
    _, error = process.communicate()
    assert (process.returncode, error.count("\n")) == (2, 1)
    assert "cannot be written to" in error
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_second_run_in_a_bucket(films, expected, store):
    blobs, environment = store
    lock = blobs.blob("two/.lock")
    first = suspend(start(films, "gs://films/two", environment), lock.exists)
    error = assert_refused(start(films, "gs://films/two", environment), "gs://films/two", first)
    assert "if that run was killed, its lock expires 60 s after its last renewal" in error
    first.send_signal(signal.SIGCONT)
    finish(first)
    assert_same_dataset(objects(blobs, "two/"), expected)


def test_the_lock_of_a_killed_run_in_a_bucket(films, expected, store):
    blobs, environment = store
    first = suspend(start(films, "gs://films/dead", environment), blobs.blob("dead/.lock").exists)
    first.kill()
    first.communicate()
    assert blobs.blob("dead/.lock").exists()
    finish(start(films, "gs://films/dead", environment, WITHOUT_LEASE))
    assert_same_dataset(objects(blobs, "dead/"), expected)


def test_a_run_that_lost_its_lock_publishes_nothing(films, store):
    """It was suspended, and another run has taken the lock."""
    blobs, environment = store
    lock = blobs.blob("held/.lock")
    first = suspend(start(films, "gs://films/held", environment), lock.exists)
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


def test_a_second_training_in_a_folder(data, tmp_path):
    out = tmp_path / "model"
    lock = out / ".lock"
    first = train(data, out, 100_000)
    suspend(first, lambda: lock.exists() and lock.read_bytes())
    assert_refused(train(data, out, 1), out, first)
    first.kill()
    first.communicate()
    finish(train(data, out, 1))
    assert (out / "metrics.json").exists()
    assert not lock.exists()


def test_a_training_that_lost_its_lock_uploads_nothing(data, store):
    """It was suspended, and another training has taken the lock."""
    blobs, environment = store
    lock = blobs.blob("model/.lock")
    first = train(data, "gs://films/model", 20, environment)
    suspend(first, lock.exists)
    lock.upload_from_string(json.dumps({"who": "somebody", "since": "now", "token": "other"}))
    first.send_signal(signal.SIGCONT)
    _, error = first.communicate()
    assert (first.returncode, error.count("\n")) == (1, 1), error
    assert "another run has taken it over while this one was suspended" in error
    assert set(objects(blobs, "model/")) == {".lock"}


@pytest.mark.parametrize("path", ["foo://x/out", "s3://bucket/out"])
def test_an_output_with_an_unsupported_scheme(path, films):
    process = start(films, path)
    _, error = process.communicate()
    assert (process.returncode, error.count("\n")) == (2, 1), error
    assert error.startswith(f"error: {path}")
    assert ":// is not supported; give a local path or a gs:// path" in error
