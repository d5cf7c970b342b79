"""A trained model is registered with its metrics, and predicts images in a batch."""

import csv
import io
import json

import numpy as np
import pytest
import tensorflow as tf

from pipelines import vertex
from tests.support.cloud import run as run_module
from tests.support.labelled import FLAGS, labelled_images
from tests.support.vertex_service import EVALUATION, FOLDERS, MODEL, PARENT, PREDICTION, WHERE, run, vertex_service

SIZE = ["--image_height=16", "--image_width=12"]


@pytest.fixture(scope="module")
def trained(cloud):
    """(bucket with a trained model in `model/`, metrics.json, training.json)."""
    films, environment = cloud
    flags = [*FOLDERS, *FLAGS, "--training_steps=3"]
    ran = run_module("trainer.gpu_model", environment, "--model_dir=gs://films/model", *flags)
    assert ran.returncode == 0, ran.stderr
    return films, *(json.loads(films.blob(f"model/{name}.json").download_as_text()) for name in ("metrics", "training"))


def register(service, *words):
    return run("register", *WHERE, f"--api_endpoint={service.url}", "--model_dir=gs://films/model/", *words)


def test_a_model_is_registered_with_its_metrics(trained, signed_in):
    _, metrics, training = trained
    with vertex_service() as service:
        ran = register(service, f"--parent_model={MODEL}", "--display_name=density")
    assert ran.returncode == 0, ran.stderr
    kappa = metrics["kappa"]
    text = f"kappa {kappa['value']:.3f} ({kappa['low']:.3f} to {kappa['high']:.3f}) on 9 images, step 3"
    assert ran.stdout == f"{MODEL}@2: registered, {text}\n{EVALUATION}: its evaluation\n"
    upload, *_, evaluation = (body for method, _, body in service.requests if method == "POST")
    assert upload == {
        "parentModel": MODEL,
        "model": {
            "displayName": "density",
            "description": text,
            "artifactUri": "gs://films/model/export",
            "containerSpec": {"imageUri": "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"},
            "labels": {
                "network": "tutorial", "step": "3", "training_set": training["training_set"]["sha256"][:16],
            },
        },
    }  # fmt: skip
    sent = evaluation["modelEvaluation"]
    assert sent["metrics"] == {
        "auRoc": metrics["auc"],
        "logLoss": metrics["loss"],
        "confusionMatrix": {
            "annotationSpecs": [{"id": str(n), "displayName": f"density {n}"} for n in (1, 2, 3, 4)],
            "rows": metrics["confusion"],
        },
    }
    assert sent["metadata"] == metrics
    assert sent["metricsSchemaUri"].endswith("/schema/modelevaluation/classification_metrics_1.0.0.yaml")


@pytest.mark.parametrize(("region", "place"), [("europe-west4", "europe"), ("asia-east1", "asia"), ("us-east1", "us")])
def test_the_serving_image_is_that_of_the_region(region, place, trained, signed_in, capsys):
    argv = ["register", "--project=p", f"--region={region}", "--model_dir=gs://films/model", "--dry_run"]
    assert vertex.main(argv) == 0
    assert f'"{place}-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"' in capsys.readouterr().out


def test_folders_without_an_evaluated_model(trained, signed_in, capsys):
    assert vertex.main(["register", *WHERE, "--model_dir=gs://films/set"]) == 2
    assert capsys.readouterr().err == (
        "error: gs://films/set/metrics.json: cannot be read (there is no such object); name the --model_dir of an "
        "evaluated model\n"
    )


def test_a_registry_that_refuses_the_model(trained, signed_in):
    with vertex_service(fault=(403, "Permission 'aiplatform.models.upload' denied")) as service:
        ran = register(service)
    assert (ran.returncode, ran.stderr) == (
        1, f"error: {PARENT}: the service answers 403 Forbidden: Permission 'aiplatform.models.upload' denied\n"
    )  # fmt: skip


def test_a_batch_prediction_of_prepared_images(trained, signed_in, tmp_path):
    """The model predicts the images that are sent as it predicted them after its training."""
    films, _, _ = trained
    with vertex_service(found={"outputInfo": {"gcsOutputDirectory": "gs://films/out/prediction-1"}}) as service:
        words = ["--data=gs://films/set/test", "--output=gs://films/out", "--wait", "--poll_seconds=0", *SIZE]
        end = [*WHERE, f"--api_endpoint={service.url}"]
        ran = run("predict", f"--model={MODEL}@2", *words, *end)
        state = run("status", PREDICTION, *end)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.partition("\n")[2] == (
        f"{PREDICTION}\n9 images in gs://films/out/instances.jsonl; Vertex AI writes the predictions to "
        f"gs://films/out/prediction-*\n{PREDICTION}: SUCCEEDED\n"
    )
    assert state.stdout.endswith("written  gs://films/out/prediction-1\n")
    job = service.requests[0][2]
    del job["displayName"]
    assert job == {
        "model": f"{MODEL}@2",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://films/out/instances.jsonl"]}},
        "instanceConfig": {"instanceType": "object", "keyField": "key"},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://films/out"}},
        "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-4"}, "startingReplicaCount": 1},
        "manualBatchTuningParameters": {"batchSize": 12},
    }
    lines = films.blob("out/instances.jsonl").download_as_text().splitlines()
    sent = {line["key"]: np.array(line["pixels"]) for line in map(json.loads, lines)}
    names, pixels, _ = labelled_images(9, 1)
    assert all(np.array_equal(sent[name][..., 0], image) for name, image in zip(names, pixels, strict=True))
    for blob in films.list_blobs(prefix="model/export/"):
        target = tmp_path / blob.name
        target.parent.mkdir(parents=True, exist_ok=True)
        blob.download_to_filename(target)
    serve = tf.saved_model.load(str(tmp_path / "model/export")).signatures["serving_default"]
    rows = list(csv.DictReader(io.StringIO(films.blob("model/predictions.csv").download_as_text())))
    batch = np.stack([sent[row["name"]] for row in rows]).astype(np.float32)
    found = serve(pixels=tf.constant(batch))["probabilities"].numpy()
    expected = [[float(row[f"probability_{n}"]) for n in (1, 2, 3, 4)] for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-5)
