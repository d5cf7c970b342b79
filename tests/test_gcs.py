"""The command from gs:// to gs://, against a storage emulator on loopback, with the real client libraries."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.films import LAYOUTS, Described, random_film, write_csv
from tests.test_preprocess import tree

TRAIN = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
TEST = [Described("Calc-Test_P_00009_LEFT_CC", "4"), Described("Mass-Test_P_00008_LEFT_MLO", "1")]
CREDENTIALS = {  # a token that is valid for ever: nobody is asked for one
    "type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x", "token": "emulator",
    "expiry": "2999-01-01T00:00:00Z",
}  # fmt: skip


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """A bucket in an emulator, and the environment in which clients find it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("gcp-storage-emulator"), "start", "--in-memory", f"--port={port}"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert any("started" in line for line in server.stderr)
    threading.Thread(target=server.stderr.read, daemon=True).start()
    credentials = tmp_path_factory.mktemp("credentials") / "credentials.json"
    credentials.write_text(json.dumps(CREDENTIALS))
    environment = {
        "STORAGE_EMULATOR_HOST": f"http://localhost:{port}",
        "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
        "GOOGLE_CLOUD_PROJECT": "p-abc",
    }
    client = storage.Client(
        "p-abc", credentials=AnonymousCredentials(), client_options={"api_endpoint": f"http://localhost:{port}"}
    )
    yield client.create_bucket("films"), environment
    server.terminate()
    server.wait()


def preprocess(environment, *words):
    argv = [sys.executable, "-m", "pipelines.preprocess", *map(str, words)]
    root = Path(__file__).parents[1]
    return subprocess.run(argv, cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    root = tmp_path_factory.mktemp("local")
    write_csv(root / "csv/train.csv", TRAIN)
    write_csv(root / "csv/test.csv", TEST)
    for number, film in enumerate(TRAIN + TEST):
        LAYOUTS[["NBIA classic", "converted TIFF", "JPEG mirror"][number % 3]](
            root / "images", film, random_film(number)
        )
    return root


def options(root, out):
    return ["--input", f"{root}/images", "--train_csv", f"{root}/csv/train*.csv", "--test_csv", f"{root}/csv/test.csv",
            "--output", out]  # fmt: skip


def test_the_same_bytes_on_gs_as_in_a_folder(bucket, local, tmp_path):
    films, environment = bucket
    for path in local.rglob("*"):
        if path.is_file():
            films.blob(f"in/{path.relative_to(local)}").upload_from_filename(path)
    out = "out"
    ran = preprocess(environment, *options("gs://films/in", f"gs://films/{out}"), "--direct_num_workers=2")
    assert ran.returncode == 0, ran.stderr
    expected = preprocess({}, *options(local, tmp_path / "out"), "--direct_num_workers=1")
    assert expected.returncode == 0
    written = {
        blob.name.removeprefix(f"{out}/"): blob.download_as_bytes() for blob in films.list_blobs(prefix=f"{out}/")
    }
    assert written == tree(tmp_path / "out")
    again = preprocess(environment, *options("gs://films/in", f"gs://films/{out}"))
    assert "already holds this data set" in again.stdout
    forced = preprocess(
        environment,
        *options("gs://films/in", f"gs://films/{out}"),
        "--views",
        "CC",
        "--force",
        "--direct_num_workers=1",
    )
    assert forced.returncode == 0, forced.stderr
    assert len(list(films.list_blobs(prefix=f"{out}/"))) == len(written) - 1


def test_a_dry_run_on_gs_writes_nothing(bucket, local):
    films, environment = bucket
    ran = preprocess(environment, *options("gs://films/in", "gs://films/dry"), "--dry_run")
    assert ran.returncode == 0, ran.stderr
    assert "6 mammograms named, 6 matched to a file" in ran.stdout
    assert list(films.list_blobs(prefix="dry")) == []
