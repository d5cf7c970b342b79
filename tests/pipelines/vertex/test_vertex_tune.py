"""A search for hyperparameters on Vertex AI: the job, a trial as Vertex AI starts it, and the state of the job."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from pipelines import vertex
from tests.support.cloud import objects
from tests.support.environments import ROOT
from tests.support.labelled import FLAGS
from tests.support.vertex_service import TUNING, WHERE, run, vertex_service

TRAINING = ["--data_bucket=films", "--training_data_dir=set/train"]
SPACE = """
learning_rate: {low: 0.0003, high: 0.01, log: true}
warmup_steps: {low: 1, high: 3}
batch_size: [8, 16]
loss: [ordinal, crossentropy]
"""
STUDY = {
    "metrics": [{"metricId": "kappa", "goal": "MAXIMIZE"}],
    "measurementSelectionType": "LAST_MEASUREMENT",
    "parameters": [
        {"parameterId": "learning_rate", "scaleType": "UNIT_LOG_SCALE",
         "doubleValueSpec": {"minValue": 0.0003, "maxValue": 0.01}},
        {"parameterId": "warmup_steps", "scaleType": "UNIT_LINEAR_SCALE",
         "integerValueSpec": {"minValue": "1", "maxValue": "3"}},
        {"parameterId": "batch_size", "categoricalValueSpec": {"values": ["8", "16"]}},
        {"parameterId": "loss", "categoricalValueSpec": {"values": ["ordinal", "crossentropy"]}},
    ],
}  # fmt: skip
ARGUMENTS = [*TRAINING, "--training_steps=4", "--eval_steps=0", "--report_metric=kappa", "--require_accelerator"]


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def tune(space, *words):
    return ["tune", "--trainer=gpu", *WHERE, f"--search={space}", "--output=gs://films/tuning", *words]


def test_the_job_has_the_space_and_the_trials(space, capsys):
    words = ["--trials=12", "--parallel=3", "--dry_run", *TRAINING, "--training_steps=4"]
    assert vertex.main(tune(space, *words)) == 0
    job = json.loads(capsys.readouterr().out)
    assert job["studySpec"] == STUDY
    assert (job["maxTrialCount"], job["parallelTrialCount"]) == (12, 3)
    assert job["trialJobSpec"]["baseOutputDirectory"] == {"outputUriPrefix": "gs://films/tuning"}
    (pool,) = job["trialJobSpec"]["workerPoolSpecs"]
    assert pool["containerSpec"]["args"] == ARGUMENTS


def test_the_loss_is_minimized(space, capsys):
    assert vertex.main(tune(space, "--metric=loss", "--dry_run", *TRAINING)) == 0
    assert json.loads(capsys.readouterr().out)["studySpec"]["metrics"] == [{"metricId": "loss", "goal": "MINIMIZE"}]


@pytest.mark.parametrize(("words", "message"), [
    (["--eval_data_dir=gs://b/test"], "--eval_data_dir: a search reads no evaluation images; leave the option out"),
    (["--job-dir=gs://b/m"], "--job-dir: each trial has its own folder in --output; leave the option out"),
    (["--loss=ordinal"], "--loss: {space} searches it; leave the option out"),
    (["--validation_share=0"], "--report_metric needs validation images; give --validation_share or --folds"),
])  # fmt: skip
def test_options_that_contradict_a_search_are_refused(words, message, space, capsys):
    assert vertex.main(tune(space, "--dry_run", *TRAINING, *words)) == 2
    assert capsys.readouterr().err == f"error: {message.format(space=space)}\n"


def test_a_trial_reports_its_metric_and_leaves_its_model(space, signed_in, tmp_path):
    """The server starts one trial with the arguments and the variables that Vertex AI adds."""
    metrics = tmp_path / "hypertune/output.metrics"

    def trial(job):
        container = job["trialJobSpec"]["workerPoolSpecs"][0]["containerSpec"]
        base = job["trialJobSpec"]["baseOutputDirectory"]["outputUriPrefix"]
        arguments = [
            word for word in container["args"] if word != "--require_accelerator"
        ]  # there is none in the tests
        variables = {"CLOUD_ML_TRIAL_ID": "7", "CLOUD_ML_HP_METRIC_FILE": str(metrics),
                     "AIP_MODEL_DIR": f"{base}/7/model/", "AIP_TENSORBOARD_LOG_DIR": f"{base}/7/logs/"}  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "trainer.gpu_model", *arguments, "--learning_rate=0.005", "--loss=ordinal"],
            cwd=ROOT, env=os.environ | variables, check=True, capture_output=True,
        )  # fmt: skip

    flags = [flag for flag in FLAGS if not flag.startswith(("--batch_size", "--learning_rate"))]
    words = [*TRAINING, *flags, "--training_steps=4", "--eval_every=2", "--validation_share=0.3"]
    with vertex_service(work=trial) as service:
        ran = run(*tune(space, f"--api_endpoint={service.url}", "--wait", "--poll_seconds=0", *words))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == f"{TUNING}: SUCCEEDED"
    found = objects(signed_in, "tuning/7/")
    rows = list(csv.DictReader(io.StringIO(found["model/validation.csv"].decode())))
    assert [row["step"] for row in rows] == ["2", "4"]
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert all(line.pop("timestamp") > 1.7e9 for line in lines)
    assert lines == [
        {"trial": "7", "kappa": row["quadratic_weighted_kappa"], "global_step": row["step"], "checkpoint_path": ""}
        for row in rows
    ]
    assert "model/metrics.json" not in found
    assert found["model/saved_model.pb"] == found["model/export/saved_model.pb"]
    assert any(name.startswith("logs/validation/events") for name in found)


def test_the_state_lists_the_trials_from_the_best_to_the_worst(signed_in):
    def done(number, kappa, rate, steps):
        parameters = [
            {"parameterId": "learning_rate", "value": rate},
            {"parameterId": "training_steps", "value": steps},
        ]
        measurement = {"metrics": [{"metricId": "kappa", "value": kappa}]}
        return {"id": number, "state": "SUCCEEDED", "parameters": parameters, "finalMeasurement": measurement}

    found = {
        "studySpec": {"metrics": STUDY["metrics"]}, "maxTrialCount": 20,
        "trials": [done("1", 0.5, 0.002, 300.0), done("2", 0.625, 0.0041, 400.0), {"id": "3", "state": "ACTIVE"}],
    }  # fmt: skip
    with vertex_service(["JOB_STATE_RUNNING"], found=found) as service:
        ran = run("status", TUNING, *WHERE, f"--api_endpoint={service.url}")
        cancelled = run("cancel", TUNING, *WHERE, f"--api_endpoint={service.url}")
    assert ran.stdout == (
        f"{TUNING}: RUNNING\ncreated  2026-11-23 18:00:00 UTC\n"
        "trial   2  kappa 0.625  --learning_rate=0.0041 --training_steps=400\n"
        "trial   1  kappa 0.500  --learning_rate=0.002 --training_steps=300\n"
        "3 of 20 trials begun\n"
    ), ran.stderr
    assert cancelled.returncode == 0
    assert service.requests[-1][:2] == ("POST", f"/v1/{TUNING}:cancel")
