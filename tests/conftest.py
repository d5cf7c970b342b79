import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from pipelines import preprocess
from tests.faults import FULL, SEED

REAL = Path(os.environ.get("CBIS_DDSM_CSV_DIR", Path(__file__).parents[2] / "shared/cbis_ddsm"))
CREDENTIALS = {  # a token that is valid for ever: nobody is asked for one
    "type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x", "token": "emulator",
    "expiry": "2999-01-01T00:00:00Z",
}  # fmt: skip


def pytest_report_header():
    return f"faults: {'full' if FULL else 'short'} form, FAULTS_SEED={SEED}"


def pytest_configure():
    """A test run that is told to end stops the servers that it started, as one does that is interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_csvs():
    """The folder of the four real case descriptions, which the project does not ship."""
    if not (REAL / "calc_case_description_test_set.csv").exists():
        pytest.skip(f"no CBIS-DDSM case descriptions in {REAL}; name their folder in CBIS_DDSM_CSV_DIR")
    return REAL


@pytest.fixture
def job(tmp_path, capfd):
    """Runs the command in this process on one worker; returns its exit status, what it said, and where it wrote."""

    def run(*words, train="train.csv", test="test.csv", images="images", out="out"):
        argv = ["--input", tmp_path / images, "--output", tmp_path / out, "--direct_num_workers", "1"]
        argv += ["--train_csv", tmp_path / train, "--test_csv", tmp_path / test, *words]
        status = preprocess.main([str(word) for word in argv])
        said = capfd.readouterr()
        return status, said.out + said.err, tmp_path / out

    return run


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
