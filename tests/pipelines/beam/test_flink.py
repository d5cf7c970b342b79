"""The job on a Flink cluster with two TaskManagers, whose Python workers run in another environment."""

import shutil
import signal
import subprocess
import sys

import pytest

from benchmarks.idc_server import started
from tests.pipelines.beam.flink.cluster import JARS, flink_cluster
from tests.pipelines.test_preprocess import tree
from tests.support.cloud import assert_same_dataset
from tests.support.environments import ROOT, copy_project, make_environment

if not (shutil.which("java") and JARS.is_dir()):
    pytest.skip("needs Java and Flink's jars; `make test-flink` downloads the jars with Maven", allow_module_level=True)

PATIENTS = 80


@pytest.fixture(scope="module")
def worker_python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    (folder / "project").mkdir()
    return make_environment(folder / "venv", [copy_project(folder / "project")])


@pytest.fixture
def cluster(worker_python, tmp_path):
    (tmp_path / "flink").mkdir()
    with flink_cluster(tmp_path / "flink", worker_python) as running:
        yield running


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """(folder with films, {name: bytes} of the data set that DirectRunner makes)."""
    root = tmp_path_factory.mktemp("sample")
    command = [sys.executable, "-m", "pipelines.make_sample", f"--output={root}/in", f"--patients={PATIENTS}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    subprocess.run(job(root, root / "direct", "--direct_num_workers=1"), cwd=ROOT, check=True, capture_output=True)
    return root, tree(root / "direct")


def job(root, out, *words):
    films = root / "in"
    return [
        sys.executable, "-m", "pipelines.preprocess", f"--input={films}", f"--output={out}",
        "--train_csv", *map(str, films.glob("*_train_set.csv")), "--test_csv", *map(str, films.glob("*_test_set.csv")),
        *words,
    ]  # fmt: skip


def finish(process):
    """Waits for a job; returns its exit status and output."""
    output, _ = process.communicate()
    return process.returncode, output


def start(cluster, root, out):
    command = job(root, out, *cluster.options)
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def only_job(cluster):
    """Returns the description of the only job of the cluster."""
    (only,) = cluster.ask("jobs")["jobs"]
    return only


def test_the_output_is_the_same_as_directrunners(cluster, sample, tmp_path):
    root, expected = sample
    status, output = finish(start(cluster, root, tmp_path / "out"))
    assert status == 0, output
    assert only_job(cluster)["status"] == "FINISHED"
    assert cluster.ask("taskmanagers")["taskmanagers"][1]["slotsNumber"] == 2
    assert_same_dataset(tree(tmp_path / "out"), expected)


def test_a_task_manager_is_killed_during_the_job(cluster, sample, tmp_path):
    root, expected = sample
    images = sum(name.startswith("small_") for name in expected)
    process = start(cluster, root, tmp_path / "out")
    staging = tmp_path / "out/.staging"
    while sum(1 for _ in staging.glob("*/images/*/*.png")) < images // 3:
        assert process.poll() is None, process.stdout.read()
    cluster.task_managers[0].send_signal(signal.SIGKILL)
    staged = sum(1 for _ in staging.glob("*/images/*/*.png"))
    assert staged < images
    status, output = finish(process)
    assert status == 0, output
    ended = only_job(cluster)
    assert ended["status"] == "FINISHED"
    failures = cluster.ask(f"jobs/{ended['id']}/exceptions")["exceptionHistory"]["entries"]
    assert failures  # the job was restarted
    assert len(cluster.ask("taskmanagers")["taskmanagers"]) == 1
    assert_same_dataset(tree(tmp_path / "out"), expected)


def test_films_from_idc(worker_python, tmp_path, monkeypatch):
    """Films of true size, from the server that takes the place of the bucket."""
    words = ["--input=idc", "--train_per_category=1", "--test_count=1"]
    command = [sys.executable, "-m", "pipelines.preprocess", *words]
    with started() as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        (tmp_path / "flink").mkdir()
        with flink_cluster(tmp_path / "flink", worker_python) as cluster:
            ran = subprocess.run(
                [*command, f"--output={tmp_path}/out", *cluster.options],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            assert only_job(cluster)["status"] == "FINISHED"
        subprocess.run([*command, f"--output={tmp_path}/direct"], cwd=ROOT, check=True, capture_output=True)
    assert_same_dataset(tree(tmp_path / "out"), tree(tmp_path / "direct"))


@pytest.fixture(scope="module")
def predicting_python(tmp_path_factory):
    """The interpreter of workers that also have TensorFlow."""
    folder = tmp_path_factory.mktemp("predicting")
    (folder / "project").mkdir()
    return make_environment(folder / "venv", [f"cbis-ddsm-density[train] @ file://{copy_project(folder / 'project')}"])


def test_predictions_are_the_same_as_directrunners(predicting_python, sample, tmp_path):
    root, _ = sample
    train = [sys.executable, "-m", "trainer.gpu_model", f"--training_data_dir={root}/direct/small_train",
             "--eval_steps=0", f"--model_dir={tmp_path}/model", "--training_steps=2"]  # fmt: skip
    subprocess.run(train, cwd=ROOT, check=True, capture_output=True)
    predict = [sys.executable, "-m", "pipelines.predict", f"--model_dir={tmp_path}/model", f"--input={root}/in"]
    (tmp_path / "flink").mkdir()
    with flink_cluster(tmp_path / "flink", predicting_python) as cluster:
        status, output = finish(
            subprocess.Popen([*predict, f"--output={tmp_path}/out", *cluster.options], cwd=ROOT,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )  # fmt: skip
        assert status == 0, output
        assert only_job(cluster)["status"] == "FINISHED"
    subprocess.run([*predict, f"--output={tmp_path}/direct"], cwd=ROOT, check=True, capture_output=True)
    assert tree(tmp_path / "out") == tree(tmp_path / "direct")
