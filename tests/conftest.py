import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from pipelines import preprocess
from tests import ROOT
from tests.faults import FULL, SEED

REAL = Path(os.environ.get("CBIS_DDSM_CSV_DIR", Path(__file__).parents[2] / "shared/cbis_ddsm"))
SLOWEST = (
    "test_storage_faults", "test_state_machine", "test_devices", "test_tutorial", "test_resume",
    "test_preprocess_and_train", "test_vertex", "test_dataflow",
)  # fmt: skip
CREDENTIALS = {  # with a token that does not expire, so that the client does not ask a server for another one
    "type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x", "token": "emulator",
    "expiry": "2999-01-01T00:00:00Z",
}  # fmt: skip


def pytest_sessionstart(session):
    """Prints the seed of all random choices, also with -q, where pytest prints no report header."""
    if reporter := session.config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(f"faults: {'full' if FULL else 'short'} form, FAULTS_SEED={SEED}")


def pytest_configure():
    """Makes SIGTERM raise KeyboardInterrupt, so that fixtures stop the servers that they have started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start background jobs with SIGINT ignored


def pytest_collection_modifyitems(items):
    """Moves the slowest files to the front, so that all processes end at about the same time."""
    items.sort(key=lambda item: SLOWEST.index(item.path.stem) if item.path.stem in SLOWEST else len(SLOWEST))


@pytest.fixture
def rng(request):
    """A random number generator whose numbers depend on FAULTS_SEED and on the name of the test only."""
    print(f"FAULTS_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def full():
    """Whether the tests of faults run in their full form."""
    return FULL


@pytest.fixture(scope="session")
def real_csvs():
    """The folder of the four case descriptions of CBIS-DDSM, which are not part of this project."""
    if not (REAL / "calc_case_description_test_set.csv").exists():
        pytest.skip(f"no CBIS-DDSM case descriptions in {REAL}; name their folder in CBIS_DDSM_CSV_DIR")
    return REAL


@pytest.fixture
def job(tmp_path, capfd):
    """A function that runs pipelines.preprocess in this process and returns (exit status, output, output folder)."""

    def run(*words, train="train.csv", test="test.csv", images="images", out="out"):
        argv = ["--input", tmp_path / images, "--output", tmp_path / out, "--direct_num_workers", "1"]
        argv += ["--train_csv", tmp_path / train, "--test_csv", tmp_path / test, *words]
        status = preprocess.main([str(word) for word in argv])
        captured = capfd.readouterr()
        return status, captured.out + captured.err, tmp_path / out

    return run


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """An empty bucket in a storage emulator, and the environment variables with which clients find the emulator."""
    folder = tmp_path_factory.mktemp("emulator")
    credentials = folder / "credentials.json"
    credentials.write_text(json.dumps(CREDENTIALS))
    command = [sys.executable, "-m", "tests.support.storage_emulator"]
    log = folder / "log"
    with log.open("w") as errors, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors) as server:
        try:
            port = server.stdout.readline().decode().strip()
            assert port, log.read_text()
            environment = {
                "STORAGE_EMULATOR_HOST": f"http://localhost:{port}",
                "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
                "GOOGLE_CLOUD_PROJECT": "p-abc",
            }
            options = {"api_endpoint": environment["STORAGE_EMULATOR_HOST"]}
            client = storage.Client("p-abc", credentials=AnonymousCredentials(), client_options=options)
            yield client.create_bucket("films"), environment
        finally:
            server.terminate()
