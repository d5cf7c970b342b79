"""The command `pipelines.vertex register`: puts a model and its metrics into the Model Registry of Vertex AI."""

import argparse
import json
from typing import Any

from google.cloud.aiplatform_v1.types import Model, ModelContainerSpec, ModelEvaluation

from pipelines.vertex_ai.job import as_json
from pipelines.vertex_ai.models import Models
from pipelines.vertex_ai.submission import check_folder
from preprocess.files import storage
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.model_dir.folder import EXPORT_FOLDER, IDENTITY_FILE, METRICS_FILE

SERVING_IMAGE = "{place}-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
"""Google's image with TensorFlow Serving. TensorFlow 2.15 computes the same bits from an export as 2.21."""
METRICS_SCHEMA = "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add = parser.add_argument
    add("--model_dir", required=True, metavar="GS", help="gs:// folder of a trained and evaluated model")
    add("--display_name", default="breast-density", metavar="NAME", help="display name of the model")
    add("--parent_model", default="", metavar="NAME", help="registered model of which this is a new version")
    add("--image", metavar="URI", help="container image that serves the model (default: Google's for TensorFlow 2.15)")
    add("--api_endpoint", default="", metavar="HOST", help="address of Vertex AI (default: Google's in the region)")
    add("--dry_run", action="store_true", help="print the model and its evaluation; register nothing")


def run(options: argparse.Namespace, log: Log) -> None:
    """Registers a model.

    Raises:
        InputError: the folder contains no evaluated model, or there are no credentials.
        RunFailed: the service refuses a request or cannot be reached.
    """
    model_dir = check_folder("--model_dir", options.model_dir)
    metrics, identity = (_read(model_dir, name) for name in (METRICS_FILE, IDENTITY_FILE))
    export = storage.join(model_dir, EXPORT_FOLDER)
    if not storage.exists(storage.join(export, "saved_model.pb")):
        raise InputError(f"{export}: contains no SavedModel; name the --model_dir of a finished training")
    image = options.image or SERVING_IMAGE.format(place=_place(options.region))
    model = make_model(options.display_name, export, image, metrics, identity)
    evaluation = make_evaluation(metrics)
    if options.dry_run:
        log.info(f"{as_json(model)}\n{as_json(evaluation)}")
        return
    models = Models(options.project, options.region, options.api_endpoint)
    name = models.upload(model, options.parent_model)
    log.info(f"{name}: registered, {model.description}")
    log.info(f"{models.add_evaluation(name, evaluation)}: its evaluation")


def make_model(name: str, export: str, image: str, metrics: dict[str, Any], identity: dict[str, Any]) -> Model:
    """Returns the entry of the registry.

    Args:
        name: the display name.
        export: gs:// folder of the SavedModel.
        image: of the container that serves it.
        metrics, identity: the contents of metrics.json and training.json.
    """
    kappa = metrics["kappa"]
    interval = "" if kappa["low"] is None else f" ({kappa['low']:.3f} to {kappa['high']:.3f})"
    value = "undefined" if kappa["value"] is None else f"{kappa['value']:.3f}{interval}"
    return Model(
        display_name=name,
        description=f"kappa {value} on {metrics['images']} images, step {metrics['step']}",
        artifact_uri=export,
        container_spec=ModelContainerSpec(image_uri=image),
        labels={
            "network": identity["architecture"]["network"],
            "step": str(metrics["step"]),
            "training_set": identity["training_set"]["sha256"][:16],
        },
    )


def make_evaluation(metrics: dict[str, Any]) -> ModelEvaluation:
    """Returns the evaluation: the metrics that Vertex AI's schema has, and as metadata the whole metrics.json."""
    categories = [str(number) for number in range(1, len(metrics["confusion"]) + 1)]
    known = {
        "auRoc": metrics["auc"],
        "logLoss": metrics["loss"],
        "confusionMatrix": {
            "annotationSpecs": [{"id": number, "displayName": f"density {number}"} for number in categories],
            "rows": metrics["confusion"],
        },
    }
    return ModelEvaluation(
        display_name=f"{metrics['images']} evaluation images",
        metrics_schema_uri=METRICS_SCHEMA,
        metrics={name: value for name, value in known.items() if value is not None},
        metadata=metrics,
    )


def _place(region: str) -> str:
    """Returns the name of the nearest registry of Google's images."""
    return {"europe": "europe", "asia": "asia"}.get(region.partition("-")[0], "us")


def _read(model_dir: str, name: str) -> dict[str, Any]:
    path = storage.join(model_dir, name)
    try:
        return json.loads(storage.read(path))
    except (OSError, ValueError) as error:
        found = "is not JSON" if isinstance(error, ValueError) else storage.error_message(error)
        raise InputError(f"{path}: cannot be read ({found}); name the --model_dir of an evaluated model") from error
