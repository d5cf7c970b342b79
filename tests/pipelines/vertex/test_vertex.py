"""Trainings on Vertex AI: the real clients, a server on localhost that imitates the service, and a storage emulator.

The container image for a GPU is made in a new environment without CUDA, and run with the arguments of the job.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys

import pytest
from google.cloud.aiplatform_v1.types import CustomJob

from pipelines import preprocess_and_train, vertex
from pipelines.vertex_ai import job as vertex_job
from pipelines.vertex_ai.image_requirements import requirements
from tests.support.cloud import objects, upload
from tests.support.dockerfile import make_gpu_image_without_cuda
from tests.support.environments import ROOT
from tests.support.films import Described, write_download
from tests.support.labelled import FLAGS
from tests.support.vertex_service import FOLDERS, JOBS, NAME, WHERE, run, vertex_service

REQUIRED = "--require_accelerator"
FOLDERS_OF_VERTEX = {
    "AIP_MODEL_DIR": "gs://films/models/gpu/model/", "AIP_TENSORBOARD_LOG_DIR": "gs://films/models/gpu/logs/",
}  # fmt: skip
RECORDS = ["--training_data", "gs://films/cache/train.tfrecords", "--eval_data", "gs://films/cache/test.tfrecords"]

CASES = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
TEST_CASES = [Described(f"Mass-Test_P_0010{n}_RIGHT_MLO", str(n)) for n in (1, 2, 3, 4)]


def submit(service, trainer, *words):
    where = [*WHERE, f"--api_endpoint={service.url}"]
    return run("submit", f"--trainer={trainer}", *where, f"--model_dir=gs://films/models/{trainer}", *words)


GPU_JOB = {
    "displayName": "breast-density gpu_model",
    "jobSpec": {
        "workerPoolSpecs": [{
            "machineSpec": {"machineType": "g2-standard-8", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1},
            "replicaCount": "1",
            "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
            "containerSpec": {
                "imageUri": "us-central1-docker.pkg.dev/p-abc/breast-density/gpu-trainer:latest",
                "args": ["--model_dir=gs://films/models/gpu", *FOLDERS, *FLAGS, "--training_steps=3", REQUIRED],
            },
        }],
        "baseOutputDirectory": {"outputUriPrefix": "gs://films/models/gpu"},
    },
}  # fmt: skip


def test_the_submitted_job(signed_in):
    with vertex_service() as service:
        ran = submit(service, "gpu", *FOLDERS, *FLAGS, "--training_steps=3")
    assert ran.returncode == 0, ran.stderr
    ((method, path, job),) = service.requests
    assert (method, path) == ("POST", JOBS)
    assert json.loads(vertex_job.as_json(CustomJob.from_json(json.dumps(job)))) == GPU_JOB  # enums are sent as numbers
    assert ran.stdout.splitlines() == [
        NAME,
        "job   https://console.cloud.google.com/vertex-ai/locations/us-central1/training/4242?project=p-abc",
        "logs  https://console.cloud.google.com/logs/query;query=resource.labels.job_id%3D%224242%22?project=p-abc",
        "model https://console.cloud.google.com/storage/browser/films/models/gpu?project=p-abc",
    ]


def test_options_for_another_machine(capsys):
    words = ["--training_machine=n1-standard-8", "--accelerator=NVIDIA_TESLA_T4", "--accelerator_count=2",
             "--image=x/y:1", "--service_account=me@p", "--tensorboard=projects/p/tensorboards/1"]  # fmt: skip
    argv = ["submit", "--trainer=gpu", *WHERE, "--model_dir=gs://b/m", "--dry_run", *words]
    assert vertex.main([*argv, *FOLDERS]) == 0
    job = json.loads(capsys.readouterr().out)["jobSpec"]
    (pool,) = job["workerPoolSpecs"]
    assert pool["machineSpec"] == {
        "machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2,
    }  # fmt: skip
    assert pool["containerSpec"]["imageUri"] == "x/y:1"
    assert (job["serviceAccount"], job["tensorboard"]) == ("me@p", "projects/p/tensorboards/1")


@pytest.mark.parametrize(("words", "machine", "topology"), [
    ([], "ct5lp-hightpu-4t", "2x2"),
    (["--training_machine=ct5lp-hightpu-8t"], "ct5lp-hightpu-8t", "2x4"),
    (["--training_machine=ct5lp-hightpu-1t", "--tpu_topology=1x1"], "ct5lp-hightpu-1t", "1x1"),
])  # fmt: skip
def test_a_tpu_job_runs_in_the_image_of_this_project(words, machine, topology, capsys):
    argv = ["submit", "--trainer=tpu", *WHERE, "--model_dir=gs://b/m", "--dry_run", *RECORDS]
    assert vertex.main([*argv, *words]) == 0
    (pool,) = json.loads(capsys.readouterr().out)["jobSpec"]["workerPoolSpecs"]
    assert pool == {
        "machineSpec": {"machineType": machine, "tpuTopology": topology},
        "replicaCount": "1",
        "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100},
        "containerSpec": {
            "imageUri": "us-central1-docker.pkg.dev/p-abc/breast-density/tpu-trainer:latest",
            "args": ["--model_dir=gs://b/m", *RECORDS, REQUIRED],
        },
    }


@pytest.mark.parametrize(("trainer", "words", "message"), [
    ("tpu", ["--training_machine=cloud-tpu"],
     "--training_machine cloud-tpu: has no TPU v5e; expected one of ct5lp-hightpu-1t, ct5lp-hightpu-4t, "
     "ct5lp-hightpu-8t"),
    ("tpu", ["--tpu_topology=4x4"],
     "--tpu_topology 4x4: a training runs on one machine, and ct5lp-hightpu-4t has 2x2 chips; leave the option out, or "
     "choose another --training_machine"),
    ("tpu", ["--accelerator=TPU_V3"],
     "TPU_V3: the machines of a TPU v5e need no accelerator; choose one with --training_machine"),
    ("gpu", ["--tpu_topology=2x2"], "--tpu_topology 2x2: a GPU has none; choose --trainer tpu"),
])  # fmt: skip
def test_machines_that_do_not_suit_the_trainer_are_refused(trainer, words, message, capsys):
    data = {"gpu": FOLDERS, "tpu": RECORDS}[trainer]
    argv = ["submit", f"--trainer={trainer}", *WHERE, "--model_dir=gs://b/m", "--dry_run", *data, *words]
    assert vertex.main(argv) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(("states", "status", "last"), [
    (["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"], 0, ""),
    (["JOB_STATE_RUNNING", "JOB_STATE_FAILED"], 1,
     f"error: {NAME}: FAILED: the replica workerpool0-0 exited with a non-zero status of 1; see its logs\n"),
    (["JOB_STATE_CANCELLED"], 1, f"error: {NAME}: CANCELLED: no error message; see its logs\n"),
    (["JOB_STATE_RUNNING", 503, 429, "JOB_STATE_SUCCEEDED"], 0, ""),  # failed requests for the state are repeated
])  # fmt: skip
def test_wait_has_the_exit_status_of_the_job(states, status, last, signed_in):
    with vertex_service(states) as service:
        ran = submit(service, "gpu", *FOLDERS, "--wait", "--poll_seconds=0")
    assert (ran.returncode, ran.stderr) == (status, last)
    printed = [line for line in ran.stdout.splitlines() if line.startswith(f"{NAME}:")]
    assert printed == [f"{NAME}: {s.removeprefix('JOB_STATE_')}" for s in dict.fromkeys(states) if isinstance(s, str)]


def test_status_logs_and_cancel(signed_in):
    with vertex_service(["JOB_STATE_RUNNING"]) as service:
        end = [*WHERE, f"--api_endpoint={service.url}", f"--logging_endpoint={service.url}"]
        status, logs, cancelled = (run(command, "4242", *end) for command in ("status", "logs", "cancel"))
        requests = service.requests
    assert status.stdout == f"{NAME}: RUNNING\ncreated  2026-11-23 18:00:00 UTC\n"
    assert logs.stdout == (
        "2026-11-23 18:00:01 INFO     step 50 of 100\n2026-11-23 18:00:02 ERROR    no\n"
    ), logs.stderr  # fmt: skip
    assert cancelled.stdout == f"{NAME}: cancellation requested; a training saves its last step\n"
    assert 'resource.labels.job_id="4242"' in requests[1][2]["filter"]
    assert requests[-1][:2] == ("POST", f"/v1/{NAME}:cancel")


@pytest.mark.parametrize(("code", "message", "kind"), [
    (429, "These metrics exceed quota limits: custom_model_training_nvidia_l4_gpus", "429 Too Many Requests"),
    (403, "Permission 'aiplatform.customJobs.create' denied", "403 Forbidden"),
    (404, "The project is not found", "404 Not Found"),
])  # fmt: skip
def test_errors_of_the_service_are_one_line(code, message, kind, signed_in):
    with vertex_service(fault=(code, message)) as service:
        submitted = submit(service, "gpu", *FOLDERS)
        end = [*WHERE, f"--api_endpoint={service.url}", f"--logging_endpoint={service.url}"]
        others = [run(command, "4242", *end) for command in ("status", "logs", "cancel")]
    assert submitted.stderr == f"error: projects/p-abc/locations/us-central1: the service answers {kind}: {message}\n"
    for ran in (submitted, *others):
        assert ran.returncode == 1
        assert ran.stderr.count("\n") == 1
        assert ran.stderr.endswith(f"the service answers {kind}: {message}\n")


def test_a_local_folder_is_refused(capsys):
    assert vertex.main(["submit", "--trainer=gpu", *WHERE, "--model_dir=models", *FOLDERS]) == 2
    assert capsys.readouterr().err == "error: --model_dir models: Vertex AI cannot read it; name a gs:// folder\n"


def test_no_job_is_sent_for_a_folder_that_cannot_be_written_to(signed_in):
    with vertex_service() as service:
        ran = submit(service, "gpu", *FOLDERS, "--model_dir=gs://no-such-bucket/m")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: gs://no-such-bucket/m: cannot be written to (")
    assert ran.stderr.endswith("); choose another --model_dir\n")
    assert service.requests == []


@pytest.mark.parametrize(("words", "message"), [
    (["--training_data_dir=set/train", "--eval_data_dir=gs://b/test"], "set/train: Vertex AI cannot read it; name a"),
    ([*FOLDERS, "--job-dir=gs://b/other"],
     "--model_dir gs://b/m, but the trainer's options name gs://b/other; name one folder"),
])  # fmt: skip
def test_invalid_paths_in_the_options_of_the_trainer_are_refused(words, message, capsys):
    argv = ["submit", "--trainer=gpu", *WHERE, "--model_dir=gs://b/m", "--dry_run", *words]
    assert vertex.main(argv) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_options_of_the_trainer_are_checked_before_the_job_is_submitted(capsys):
    argv = ["submit", "--trainer=gpu", *WHERE, "--model_dir=gs://b/m", *FOLDERS]
    assert vertex.main([*argv, "--batch_size=none"]) == 2
    assert capsys.readouterr().err.startswith("error: argument --batch_size: 'none' is not a whole number")


def test_the_requirements_of_the_images():
    gpu, tpu = requirements("gpu"), requirements("tpu")
    names = {re.match(r"[a-z0-9-]+", line)[0] for line in gpu}
    assert names == {
        "google-cloud-storage", "google-crc32c", "matplotlib", "numpy", "pillow", "protobuf", "rich", "scikit-learn",
        "scipy", "tensorboard", "tensorflow",
    }  # fmt: skip
    assert "tensorflow[and-cuda]>=2.21,<2.22" in gpu
    assert set(tpu) - set(gpu) == {
        "google-api-python-client>=2,<3", "libtpu==0.0.20", "oauth2client>=4,<5", "tensorflow-tpu==2.20.0",
    }  # fmt: skip


def test_the_image_for_a_gpu_trains_in_a_new_environment(signed_in, cloud, tmp_path):
    """With its pinned requirements except CUDA, the variables of its Dockerfile, and those that Vertex AI adds."""
    films, environment = cloud
    with vertex_service() as service:
        ran = submit(service, "gpu", *FOLDERS, *FLAGS, "--training_steps=3")
    assert ran.returncode == 0, ran.stderr
    container = service.requests[0][2]["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
    assert container["args"][-1] == REQUIRED
    command, variables = make_gpu_image_without_cuda(tmp_path)
    refused, started = (
        subprocess.run(
            [*command, *arguments], cwd="/", env=os.environ | environment | variables | FOLDERS_OF_VERTEX,
            capture_output=True, text=True, check=False,
        )
        for arguments in (container["args"], container["args"][:-1])
    )  # fmt: skip
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("error: TensorFlow finds no accelerator (there is no /dev/")
    assert started.returncode == 0, started.stderr
    names = {blob.name for blob in films.list_blobs(prefix="models/gpu/")}
    assert {f"models/gpu/{name}" for name in ("metrics.json", "model.keras", "ckpt-3.index")} < names
    assert list(films.list_blobs(prefix="models/gpu/logs/train/events"))
    saved_model = objects(films, "models/gpu/model/")
    assert {"saved_model.pb", "variables/variables.index"} < saved_model.keys()
    assert saved_model == objects(films, "models/gpu/export/")
    assert not any("/tensorboard/" in name for name in names)
    rows = csv.DictReader(io.StringIO(films.blob("models/gpu/predictions.csv").download_as_text()))
    assert len({row["name"] for row in rows}) == 9


def test_the_chained_command_trains_on_vertex_ai(signed_in, tmp_path):
    """From films in gs:// to a report in gs://. The server runs the trainer of the job in another process."""
    write_download(tmp_path, CASES, TEST_CASES, ["NBIA descriptive"])
    upload(tmp_path, signed_in, "in/")

    def train(job):
        container = job["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]
        arguments = [word for word in container["args"] if word != REQUIRED]  # there is none in the tests
        command = [sys.executable, "-m", "trainer.gpu_model", *arguments]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    with vertex_service(["JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"], work=train) as service:
        ran = subprocess.run([
            sys.executable, "-m", "pipelines.preprocess_and_train", "--input=gs://films/in/images",
            "--train_csv=gs://films/in/csv/train.csv", "--test_csv=gs://films/in/csv/test.csv", "--output=gs://films/set-of-in",
            "--direct_num_workers=1", "--trainer=gpu", "--train_on=vertex", *WHERE, "--poll_seconds=0",
            f"--api_endpoint={service.url}", "--model_dir=gs://films/models/chained", "--training_steps=2",
            "--batch_size=2", "--image_width=12", "--image_height=16",
        ], cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert f"{NAME}: SUCCEEDED" in ran.stdout
    assert ran.stdout.endswith("look at gs://films/set-of-in/report.html\n")
    page = signed_in.blob("set-of-in/report.html").download_as_text()
    assert "gs://films/models/chained" in page


@pytest.mark.parametrize(("words", "message"), [
    (["--train_on=vertex"], "--output out: Vertex AI cannot read it; name a gs:// folder"),
    (["--train_on=vertex", "--output=gs://b/o"], "--model_dir m: Vertex AI cannot read it; name a gs:// folder"),
    (["--train_on=vertex", "--output=gs://b/o", "--model_dir=gs://b/m", *WHERE[:1]],
     "no --region: --train_on vertex needs --project and --region"),
    (["--train_on=vertex", "--output=gs://b/o", "--model_dir=gs://b/m", *WHERE, "--trainer=both",
      "--accelerator=NVIDIA_L4"], "NVIDIA_L4 suits only one of the two trainers; choose --trainer gpu or tpu"),
    (["--accelerator=NVIDIA_L4"], "--accelerator is an option of Vertex AI; choose --train_on vertex"),
])  # fmt: skip
def test_missing_or_contradicting_options_of_the_chained_command(words, message, capsys):
    required = ["--input=i", "--train_csv=a", "--test_csv=b", "--output=out", "--model_dir=m", "--trainer=gpu"]
    assert preprocess_and_train.main([*required, *words]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_an_unknown_accelerator(capsys):
    argv = ["submit", "--trainer=gpu", *WHERE, "--model_dir=gs://b/m", "--dry_run", "--accelerator=NVIDIA_L5"]
    assert vertex.main([*argv, *FOLDERS]) == 2
    assert "--accelerator NVIDIA_L5: not a GPU of Vertex AI; did you mean NVIDIA_L4?" in capsys.readouterr().err
