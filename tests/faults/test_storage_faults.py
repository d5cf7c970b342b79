"""A store in which one request in ten fails at random, and runs that are killed at any of their requests."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from google.api_core.exceptions import NotFound

from tests.pipelines.test_preprocess import tree
from tests.support.cloud import assert_same_dataset, objects, run, upload
from tests.support.environments import ROOT
from tests.support.faulty_proxy import CUT, LOST, RESET, proxy
from tests.support.films import Described, write_download

LATE = "late"
SHARE = 0.1


@pytest.fixture(scope="module")
def films(tmp_path_factory, full):
    root = tmp_path_factory.mktemp("films")
    count = 225 if full else 15
    train = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, count + 1)]
    test = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(301, 301 + count // 3)]
    write_download(root, train, test, ["as in the CSV"])
    ran = run("pipelines.preprocess", {}, *job(root, root / "expected"))
    assert ran.returncode == 0, ran.stderr
    return root, tree(root / "expected")


def job(where, out, processes=1):
    csvs = ["--train_csv", f"{where}/csv/train.csv", "--test_csv", f"{where}/csv/test.csv"]
    return ["--input", f"{where}/images", *csvs, "--output", str(out), f"--direct_num_workers={processes}"]


def test_a_tenth_of_the_requests_fails(films, bucket, rng, full):
    """With 429, 503, reset connections, truncated responses or, in the full form, a delay of five seconds."""
    root, expected = films
    store, environment = bucket
    upload(root / "images", store, "in/images/")
    upload(root / "csv", store, "in/csv/")
    faults, seen = [429, 503, RESET, CUT, LOST, *([LATE] if full else [])], []
    never = threading.Event()  # is never set; waiting for it delays a request

    def at_random(number, method, path):
        if rng.random() >= SHARE:
            return None
        fault = rng.choice(faults)
        if fault == CUT and method != "GET":
            fault = RESET
        if fault == LATE:
            never.wait(5)
        seen.append(fault)
        return None if fault == LATE else fault

    with proxy(environment["STORAGE_EMULATOR_HOST"], at_random) as server:
        environment = environment | {"STORAGE_EMULATOR_HOST": server.url}
        ran = run("pipelines.preprocess", environment, *job("gs://films/in", "gs://films/faulty", 2))
        assert ran.returncode == 0, ran.stderr
        verified = run("pipelines.verify", environment, "gs://films/faulty")
        assert verified.returncode == 0, verified.stderr
    assert_same_dataset(objects(store, "faulty/"), expected)  # exactly the same objects
    assert set(faults) <= set(seen) or not full
    assert len(seen) >= 0.05 * len(server.requests)


def start(root, environment):
    command = [sys.executable, "-m", "pipelines.preprocess", *job(root, "gs://films/killed")]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip


def without_run_files(files):
    """Leaves out what exists during a run only."""
    return {name: data for name, data in files.items() if not name.startswith((".staging", ".lock", ".writable"))}


def test_a_run_killed_at_any_request_is_completed_by_the_same_command(films, bucket, rng, full):
    """SIGKILL to all processes of the run."""
    root, expected = films
    store, environment = bucket
    process, requests = [], []

    def kill_at(number, method, path):
        requests.append((method, path))
        if number == kill_number:
            os.killpg(process[0].pid, signal.SIGKILL)

    kill_number = 0
    with proxy(environment["STORAGE_EMULATOR_HOST"], kill_at) as server:
        process[:] = [start(root, environment | {"STORAGE_EMULATOR_HOST": server.url})]
        output, _ = process[0].communicate()
        assert process[0].returncode == 0, output
        total = len(requests)
    for _ in range(20 if full else 1):
        delete(store)
        kill_number = killed_at = rng.randint(1, total)
        with proxy(environment["STORAGE_EMULATOR_HOST"], kill_at) as server:
            process[:] = [start(root, environment | {"STORAGE_EMULATOR_HOST": server.url})]
            process[0].communicate()
            assert process[0].returncode == -signal.SIGKILL, killed_at
        left = objects_left(store)
        if "manifest.json" in left:
            assert_same_dataset(without_run_files(left), expected)
        for name, data in left.items():
            assert name not in expected or data == expected[name] or name == ".film_versions.json", (killed_at, name)
        done = sum(name.endswith(".png") for name in left)
        if ".lock" in left:
            store.blob("killed/.lock").delete()  # otherwise the next run waits a minute until the lock expires
        requests.clear()
        kill_number = 0
        with proxy(environment["STORAGE_EMULATOR_HOST"], kill_at) as server:
            process[:] = [start(root, environment | {"STORAGE_EMULATOR_HOST": server.url})]
            output, _ = process[0].communicate()
            assert process[0].returncode == 0, (killed_at, output)
        assert_same_dataset(objects(store, "killed/"), expected)
        images = sum(name.endswith(".png") for name in expected)
        uploads = [path for method, path in requests if method == "POST" and "/upload/" in path]
        redone = sum(LOCK_PARAMETER not in path for path in uploads) - OTHER_UPLOADS
        assert redone <= 1.05 * (images - min(done, images)), (killed_at, done, redone)


OTHER_UPLOADS = 8 + 2 + 3 + 7 + 1 + 1 + 2 + 2
"""Uploads of a run other than images: 8 parts, 2 record files, 3 tables, 7 cards, film versions, files to publish, 2
files of the plan and 2 of its images.
"""
LOCK_PARAMETER = "ifGenerationMatch"  # only uploads of the lock have it


def objects_left(store):
    """Returns {name: bytes} after a run was killed. Its last requests may still change objects."""
    left = {}
    for blob in store.list_blobs(prefix="killed/"):
        with suppress(NotFound):
            left[blob.name.removeprefix("killed/")] = blob.download_as_bytes()
    return left


def delete(store):
    for blob in list(store.list_blobs(prefix="killed/")):
        with suppress(NotFound):
            blob.delete()
