"""A store that fails one request in ten, in every way at random, and a run that is killed at any of its requests."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from google.api_core.exceptions import NotFound

from tests.pipelines.test_preprocess import tree
from tests.support.cloud import objects, run, upload
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


def test_one_request_in_ten_fails(films, bucket, rng, full):
    """429, 503, broken connections, bodies cut short, and (in full) answers after five seconds: the same bytes."""
    root, expected = films
    store, environment = bucket
    upload(root / "images", store, "in/images/")
    upload(root / "csv", store, "in/csv/")
    faults, seen = [429, 503, RESET, CUT, LOST, *([LATE] if full else [])], []
    late = threading.Event()  # is never set: to wait for it is to be late

    def at_random(number, method, path):
        if rng.random() >= SHARE:
            return None
        fault = rng.choice(faults)
        if fault == CUT and method != "GET":
            fault = RESET
        if fault == LATE:
            late.wait(5)
        seen.append(fault)
        return None if fault == LATE else fault

    with proxy(environment["STORAGE_EMULATOR_HOST"], at_random) as server:
        environment = environment | {"STORAGE_EMULATOR_HOST": server.url}
        ran = run("pipelines.preprocess", environment, *job("gs://films/in", "gs://films/faulty", 2))
        assert ran.returncode == 0, ran.stderr
        verified = run("pipelines.verify", environment, "gs://films/faulty")
        assert verified.returncode == 0, verified.stderr
    assert objects(store, "faulty/") == expected  # nothing is missing, and nothing is there twice or too much
    assert set(faults) <= set(seen) or not full
    assert len(seen) >= 0.05 * len(server.asked)


def start(root, environment):
    command = [sys.executable, "-m", "pipelines.preprocess", *job(root, "gs://films/killed")]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip


def test_killed_at_any_request(films, bucket, rng, full):
    """The whole run, by SIGKILL; then the same command, which takes the dead run's place over."""
    root, expected = films
    store, environment = bucket
    process, requests = [], []

    def kill_at(number, method, path):
        requests.append((method, path))
        if number == moment:
            os.killpg(process[0].pid, signal.SIGKILL)

    moment = 0
    with proxy(environment["STORAGE_EMULATOR_HOST"], kill_at) as server:
        process[:] = [start(root, environment | {"STORAGE_EMULATOR_HOST": server.url})]
        said, _ = process[0].communicate()
        assert process[0].returncode == 0, said
        total = len(requests)
    for _ in range(20 if full else 1):
        delete(store)
        moment = rng.randint(1, total)
        with proxy(environment["STORAGE_EMULATOR_HOST"], kill_at) as server:
            process[:] = [start(root, environment | {"STORAGE_EMULATOR_HOST": server.url})]
            process[0].communicate()
            assert process[0].returncode == -signal.SIGKILL, moment
        there = standing(store)
        if "manifest.json" in there:
            assert {name: data for name, data in there.items() if not name.startswith(".")} == expected, moment
        for name, data in there.items():
            assert name not in expected or data == expected[name], (moment, name)
        done = sum(name.endswith(".png") for name in there)
        if ".lock" in there:
            store.blob("killed/.lock").delete()  # as if a minute had passed, after which it would be taken over
        requests.clear()
        moment = 0
        with proxy(environment["STORAGE_EMULATOR_HOST"], kill_at) as server:
            process[:] = [start(root, environment | {"STORAGE_EMULATOR_HOST": server.url})]
            said, _ = process[0].communicate()
            assert process[0].returncode == 0, (moment, said)
        assert objects(store, "killed/") == expected
        images = sum(name.endswith(".png") for name in expected)
        uploads = [path for method, path in requests if method == "POST" and "/upload/" in path]
        redone = sum(OF_A_LOCK not in path for path in uploads) - OTHER_UPLOADS
        assert redone <= 1.05 * (images - min(done, images)), (done, redone)


OTHER_UPLOADS = 8 + 2 + 3 + 1
"""Parts, records, tables, and the list of what is to be published."""
OF_A_LOCK = "ifGenerationMatch"


def standing(store):
    """What there is after a run was killed; the last requests of it may still be under way."""
    found = {}
    for blob in store.list_blobs(prefix="killed/"):
        with suppress(NotFound):
            found[blob.name.removeprefix("killed/")] = blob.download_as_bytes()
    return found


def delete(store):
    for blob in list(store.list_blobs(prefix="killed/")):
        with suppress(NotFound):
            blob.delete()
