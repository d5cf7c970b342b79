"""Failures of Google Cloud Storage, missing buckets, permissions and credentials, with the real client library."""

import http.server
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests import ROOT
from tests.conftest import CREDENTIALS
from tests.pipelines.test_preprocess import tree
from tests.support.cloud import assert_same_dataset, objects, run, serving, upload
from tests.support.faulty_proxy import CUT, RESET, proxy
from tests.support.films import Described, write_download
from tests.support.labelled import FLAGS, labelled_images, write_records

FILMS = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
SECRET = "ya29.planted-token"
TEST = [Described("Calc-Test_P_00009_LEFT_CC", "4")]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_download(root, FILMS, TEST, ["NBIA classic", "converted TIFF", "JPEG mirror"])
    return root


@pytest.fixture(scope="module")
def stored(bucket, films, tmp_path_factory):
    """(bucket with the films, environment variables with credentials whose token is SECRET)."""
    store, environment = bucket
    upload(films, store, "in/")
    credentials = tmp_path_factory.mktemp("sign-in") / "credentials.json"
    credentials.write_text(json.dumps(CREDENTIALS | {"token": SECRET, "refresh_token": SECRET}))
    return store, environment | {"GOOGLE_APPLICATION_CREDENTIALS": str(credentials)}


def job(where, out):
    csvs = ["--train_csv", f"{where}/csv/train.csv", "--test_csv", f"{where}/csv/test.csv"]
    return ["--input", f"{where}/images", *csvs, "--output", out, "--direct_num_workers=1"]


@pytest.fixture(scope="module")
def expected(films, tmp_path_factory):
    """The files of the data set that a job without failures makes."""
    out = tmp_path_factory.mktemp("expected") / "out"
    ran = run("pipelines.preprocess", {}, *job(films, out))
    assert ran.returncode == 0, ran.stderr
    return tree(out)


@pytest.mark.parametrize("fault", [429, 503, RESET, CUT])
def test_temporary_failures_are_retried_and_change_no_byte(fault, stored, films, expected):
    store, environment = stored

    def every_sixth(number, method, path):
        return fault if number % 6 == 0 and (fault != CUT or method == "GET") else None

    with proxy(environment["STORAGE_EMULATOR_HOST"], every_sixth) as server:
        environment = environment | {"STORAGE_EMULATOR_HOST": server.url}
        ran = run("pipelines.preprocess", environment, *job("gs://films/in", f"gs://films/out-{fault}"))
        assert ran.returncode == 0, ran.stderr
        verified = run("pipelines.verify", environment, f"gs://films/out-{fault}")
        assert verified.returncode == 0, verified.stderr
        assert server.failed >= 5
    assert_same_dataset(objects(store, f"out-{fault}/"), expected)
    assert SECRET not in ran.stdout + ran.stderr


COMMANDS = {
    "films": lambda bad, good: ["pipelines.preprocess", *job(good, "gs://films/x"), "--input", f"{bad}/images"],
    "descriptions": lambda bad, good: [
        "pipelines.preprocess", *job(good, "gs://films/x"), "--test_csv", f"{bad}/csv/test.csv"
    ],
    "output": lambda bad, good: ["pipelines.preprocess", *job(good, f"{bad}/out")],
    "verify": lambda bad, _: ["pipelines.verify", f"{bad}/out"],
    "report": lambda bad, _: ["pipelines.report", f"{bad}/out"],
    "folder": lambda bad, _: [
        "trainer.gpu_model", "--training_data_dir", bad, "--eval_data_dir", bad, "--model_dir=m", *FLAGS
    ],
    "records": lambda bad, _: [
        "trainer.tpu_model", "--training_data", f"{bad}/*", "--eval_data", f"{bad}/*", "--model_dir=m", *FLAGS
    ],
}  # fmt: skip


def run_command(environment, module, *words):
    return run(module, environment, *words)


def error_of(ran):
    """Checks that a command failed with one line, without the token; returns the line."""
    assert ran.returncode in (1, 2), ran.stderr
    assert ran.stderr.startswith("error: gs://")
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert SECRET not in ran.stdout + ran.stderr
    return ran.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_bucket_ends_the_run_with_one_line(command, stored):
    _, environment = stored
    with proxy(environment["STORAGE_EMULATOR_HOST"], lambda *_: None) as server:
        environment = environment | {"STORAGE_EMULATOR_HOST": server.url}
        error = error_of(run_command(environment, *COMMANDS[command]("gs://nobody/in", "gs://films/in")))
        # The client also requests /b/nobody by itself, at any time.
        requests = [request for request in server.requests if "/b/nobody/o" in request[1]]
        assert requests
        assert len(requests) == len(set(requests))  # no request is repeated
    assert "gs://nobody/in" in error
    assert "there is no bucket of this name" in error


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_permission_ends_the_run_with_one_line(command, stored):
    _, environment = stored

    def forbidden(number, method, path):
        return 403 if "/secret" in path or "%2Fsecret" in path or "in%2Fsecret" in path else None

    with proxy(environment["STORAGE_EMULATOR_HOST"], forbidden) as server:
        environment = environment | {"STORAGE_EMULATOR_HOST": server.url}
        error = error_of(run_command(environment, *COMMANDS[command]("gs://films/in/secret", "gs://films/in")))
        assert 1 <= server.failed <= 2  # no request is repeated
    assert "said by the service: 403" in error


@contextmanager
def metadata_server(folder, failures):
    """Stands in for the metadata server of Google Cloud; does not answer the first requests.

    Yields:
        The environment variables with which it is the only source of credentials, and the paths that were requested.
    """
    requests = []

    class MetadataServer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            if len(requests) <= failures:
                self.connection.close()
                return
            body = b"p-metadata" if self.path.endswith("project-id") else b""
            self.send_response(200)
            for name, value in (("Metadata-Flavor", "Google"), ("Content-Type", "text/plain"),
                                ("Content-Length", str(len(body)))):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):  # noqa: A002
            pass

    with serving(http.server.ThreadingHTTPServer(("localhost", 0), MetadataServer)) as server:
        host = f"localhost:{server.server_port}"
        yield {
            "HOME": str(folder), "GCE_METADATA_IP": host, "GCE_METADATA_HOST": host, "CLOUDSDK_CONFIG": str(folder),
            "GOOGLE_APPLICATION_CREDENTIALS": "", "STORAGE_EMULATOR_HOST": "",
        }, requests  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_credentials_end_the_run_with_one_line(command, tmp_path):
    """Without credentials, Google's library asks the metadata server of Google Cloud: once, not three times."""
    with metadata_server(tmp_path, failures=100) as (environment, requests):
        error = error_of(run_command(environment, *COMMANDS[command]("gs://films/in", "gs://films/in")))
    assert "no valid credentials for Google Cloud (DefaultCredentialsError); run `gcloud auth" in error
    assert len(requests) == 1


OWN_CLIENT = "from preprocess.files import gcs; print(gcs._own_client().project)"
MAIN_PROGRAM = """
from preprocess.files import gcs
from preprocess.runtime.command import run_command
raise SystemExit(run_command(lambda: print(gcs._own_client().project)))
"""


@pytest.mark.parametrize(
    ("program", "variables"), [(OWN_CLIENT, {}), (MAIN_PROGRAM, {"CLOUD_ML_PROJECT_ID": "7"})],
    ids=["a worker", "a main program on Vertex AI"],
)  # fmt: skip
def test_where_the_metadata_server_is_the_only_source_of_credentials_it_may_be_late(program, variables, tmp_path):
    """Two requests are not answered; the third one is."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GCE_METADATA_")}
    with metadata_server(tmp_path, failures=2) as (environment, requests):
        ran = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=own | environment | variables, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
    assert ran.stdout == "p-metadata\n", ran.stderr
    assert requests[:3] == ["/"] * 3


def test_a_missing_bucket_for_the_model_ends_the_run_before_training(stored, tmp_path):
    store, environment = stored
    for seed, name in enumerate(("train", "test")):
        write_records(tmp_path / f"{name}.tfrecords", *labelled_images(8, seed))
    upload(tmp_path, store, "records/")
    words = ["--training_data=gs://films/records/train.tfrecords", "--eval_data=gs://films/records/test.tfrecords"]
    ran = run("trainer.tpu_model", environment, *words, *FLAGS, "--training_steps=1", "--model_dir=gs://nobody/m")
    assert ran.returncode == 2
    error = error_of(ran)
    assert error.startswith("error: gs://nobody/m: ")
    assert "there is no bucket of this name" in error
    assert "step 1 of 1" not in ran.stdout


def test_a_permanent_failure_ends_the_run(stored):
    """Requests are repeated for a limited time, here two seconds; then the run ends with one line."""
    _, environment = stored
    program = (
        "from preprocess.files import gcs; gcs.RETRY = gcs.RETRY.with_timeout(2.0);"
        "from pipelines import verify; import sys; sys.exit(verify.main(['gs://films/in']))"
    )
    with proxy(environment["STORAGE_EMULATOR_HOST"], lambda *_: 503) as server:
        environment = os.environ | environment | {"STORAGE_EMULATOR_HOST": server.url}
        ran = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert server.failed >= 2
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: gs://films/in/manifest.json: Google Cloud Storage failed (said by the service")
    assert ran.stderr.count("\n") == 1
