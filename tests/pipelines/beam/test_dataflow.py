"""The job for Dataflow: Beam stages it in a storage emulator, without the service; then the staged pipeline is run.

The workers run in a new environment with the declared requirements and the staged package, without the source tree.
"""

import getpass
import json
import os
import re
import subprocess
import sys
import tarfile
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest

from pipelines.beam import runners
from pipelines.preparation.options import parse
from preprocess.files import gcs
from preprocess.files.lock import locked
from preprocess.runtime.errors import InputError
from tests import ROOT
from tests.pipelines.test_preprocess import tree
from tests.support.cloud import assert_same_dataset, objects, upload
from tests.support.environments import copy_project, install, make_environment
from tests.support.films import Described, write_download

REPLAY = ROOT / "tests/support/replay.py"
FILMS = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 8)]
TEST = [Described(f"Mass-Test_P_0010{n}_RIGHT_MLO", str(n % 4 + 1)) for n in range(1, 5)]
PATHS = {"--input": "gs://a/b", "--output": "gs://a/c"}
CLOUD = ["--runner=DataflowRunner", "--project=p-abc", "--region=us-central1"]


def run(command, environment=None, folder=ROOT):
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=os.environ | (environment or {}), capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def submit(environment, out, *words, setup=ROOT):
    """Runs the command in the folder `setup`; the description of the job is written to a file instead of sent."""
    command = [sys.executable, "-m", "pipelines.preprocess", "--input=gs://films/in/images", f"--output=gs://films/{out}",
               "--train_csv=gs://films/in/csv/train.csv", "--test_csv=gs://films/in/csv/test.csv", *CLOUD,
               f"--template_location=gs://films/{out}-job.json", *words]  # fmt: skip
    return run(command, environment, setup)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_download(root, FILMS, TEST, ["NBIA classic", "NBIA descriptive", "converted TIFF", "JPEG mirror"])
    return root


@pytest.fixture(scope="module")
def cloud(bucket, films):
    """(bucket with the films, environment variables with which clients find it)."""
    store, environment = bucket
    upload(films, store, "in/")
    return store, environment


@pytest.fixture(scope="module")
def staged(cloud, tmp_path_factory):
    """(description of the job, folder with copies of the staged files)."""
    store, environment = cloud
    ran = submit(environment, "out")
    assert ran.returncode == 0, ran.stderr
    assert "gs://films/out-job.json" in ran.stdout
    assert "It holds no lock" in ran.stdout
    job = json.loads(store.blob("out-job.json").download_as_bytes())
    folder = tmp_path_factory.mktemp("staged")
    for blob in store.list_blobs(prefix="dataflow-temp/"):
        blob.download_to_filename(folder / Path(blob.name).name)
    return job, folder


@pytest.fixture(scope="module")
def requirements(staged, tmp_path_factory):
    """The interpreter of a new environment with the requirements that the staged package declares."""
    _, folder = staged
    with tarfile.open(folder / "workflow.tar.gz") as package:
        (info,) = [name for name in package.getnames() if name.count("/") == 1 and name.endswith("PKG-INFO")]
        declared = BytesHeaderParser().parse(package.extractfile(info)).get_all("Requires-Dist")
    worker = [line for line in declared if "extra ==" not in line]
    return make_environment(tmp_path_factory.mktemp("environment") / "venv", ["setuptools", *worker])


def test_the_description_of_the_job(staged):
    job, folder = staged
    (pool,) = [pool for pool in job["environment"]["workerPools"] if pool["kind"] == "harness"]
    assert pool["machineType"] == "e2-standard-2"
    assert pool["diskSizeGb"] == 30
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 16
    (package,) = [package for package in pool["packages"] if package["name"].startswith("workflow")]
    assert package["location"].startswith("storage.googleapis.com/films/dataflow-temp/")
    options = job["environment"]["sdkPipelineOptions"]["options"]
    assert options["number_of_worker_harness_threads"] == 8
    assert options["pipelineUrl"].startswith("gs://films/dataflow-temp/")
    assert options["region"] == "us-central1"
    with tarfile.open(folder / "workflow.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "preprocess").rglob("*.py")}
    assert expected <= names


def test_the_staged_pipeline_runs_in_a_new_environment(cloud, staged, requirements, films, tmp_path):
    store, environment = cloud
    _, folder = staged
    install(requirements, folder / "workflow.tar.gz")
    ran = run([sys.executable, REPLAY, folder / "pipeline.pb", requirements], environment, tmp_path)
    assert ran.stdout.strip().endswith("DONE"), ran.stderr
    written = objects(store, "out/")  # the job itself has deleted its staging folder
    local = run(
        [sys.executable, "-m", "pipelines.preprocess", "--input", films / "images", "--output", tmp_path / "out",
         "--train_csv", films / "csv/train.csv", "--test_csv", films / "csv/test.csv", "--direct_num_workers=1"]
    )  # fmt: skip
    assert local.returncode == 0, local.stderr
    assert_same_dataset(written, tree(tmp_path / "out"), from_template=True)


def test_a_job_from_a_template_does_not_publish_while_another_run_holds_the_lock(
    cloud, requirements, tmp_path, monkeypatch
):
    store, environment = cloud
    ran = submit(environment, "held", "--temp_location=gs://films/held-temp")
    assert ran.returncode == 0, ran.stderr
    for blob in store.list_blobs(prefix="held-temp/"):
        blob.download_to_filename(tmp_path / Path(blob.name).name)
    install(requirements, tmp_path / "workflow.tar.gz")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    gcs._own_client.cache_clear()
    with locked("gs://films/held", "--output"):  # renewed by a thread of this process
        ran = run([sys.executable, REPLAY, tmp_path / "pipeline.pb", requirements], environment, tmp_path)
    gcs._own_client.cache_clear()
    assert "DONE" not in ran.stdout
    assert f"RunFailed: gs://films/held: another run is writing there ({getpass.getuser()}@" in ran.stderr
    assert not store.blob("held/manifest.json").exists()


def test_a_package_that_lacks_a_module_fails(cloud, staged, requirements, tmp_path):
    """Shows that the workers import modules from the staged package only."""
    store, environment = cloud
    (tmp_path / "copy").mkdir()
    copy = copy_project(tmp_path / "copy")
    settings = (copy / "pyproject.toml").read_text()
    incomplete = settings.replace('include = ["preprocess*",', 'include = ["preprocess",')  # no subpackages
    assert incomplete != settings
    (copy / "pyproject.toml").write_text(incomplete)
    ran = submit(environment, "lacking", f"--setup_file={copy}/setup.py", "--temp_location=gs://films/lacking-temp")
    assert ran.returncode == 0, ran.stderr
    for blob in store.list_blobs(prefix="lacking-temp/"):
        blob.download_to_filename(tmp_path / Path(blob.name).name)
    install(requirements, tmp_path / "workflow.tar.gz")
    ran = run(
        [sys.executable, ROOT / "tests/support/replay.py", tmp_path / "pipeline.pb", requirements],
        environment,
        tmp_path,
    )
    assert "DONE" not in ran.stdout
    assert re.search(r"No module named 'preprocess\.\w+'", ran.stderr)
    assert not store.blob("lacking/manifest.json").exists()


def test_options_that_beam_refuses_are_one_line(cloud):
    _, environment = cloud
    ran = submit(environment, "misnamed", "--job_name=My_Job")
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].startswith("error: Beam does not accept the job: ")
    assert "My_Job" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize(("words", "message"), [
    (["--region=r"], "no --project: DataflowRunner needs --project and --region"),
    (["--project=p"], "no --region: DataflowRunner needs --project and --region"),
    (["--project=p", "--region=r", "--input=/films"], "--input /films: Dataflow's workers cannot read it; copy it to"),
    (["--project=p", "--region=r", "--output=out"], "out: Dataflow's workers cannot read it; copy it to gs://"),
])  # fmt: skip
def test_missing_options_and_local_paths_are_refused(words, message, capsys):
    from pipelines import preprocess

    required = ["--input=gs://a/b", "--output=gs://a/c", "--train_csv=x", "--test_csv=y", "--runner=DataflowRunner"]
    assert preprocess.main([*required, *words]) == 2
    assert message in capsys.readouterr().err


def test_films_from_idc_need_no_copy():
    options, beam = parse(["--input=idc", "--output=gs://a/c", "--runner=DataflowRunner", "--project=p", "--region=r"])
    assert (options.input, options.train_csv) == ("gs://idc-open-data", None)
    assert beam.get_all_options()["temp_location"] == "gs://a/dataflow-temp"


def test_given_options_are_kept():
    from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, WorkerOptions

    words = [*CLOUD, "--machine_type=n2-standard-8", "--number_of_worker_harness_threads=3", "--num_workers=40"]
    options = runners.apply_defaults(PipelineOptions(words), {w.split("=")[0] for w in words}, PATHS)
    worker = options.view_as(WorkerOptions)
    assert (worker.machine_type, worker.max_num_workers) == ("n2-standard-8", 40)
    assert options.view_as(DebugOptions).number_of_worker_harness_threads == 3


def test_an_installed_package_without_a_setup_file(monkeypatch, tmp_path):
    from apache_beam.options.pipeline_options import PipelineOptions

    monkeypatch.setattr(runners, "SETUP_FILE", tmp_path / "setup.py")
    with pytest.raises(InputError, match=r"setup.py: does not exist.*give a --setup_file"):
        runners.apply_defaults(PipelineOptions(CLOUD), set(), PATHS)
