"""The command `pipelines.vertex predict`: starts a batch prediction of prepared images with a registered model."""

import argparse
import json
from collections.abc import Iterator

from google.cloud.aiplatform_v1.types import (
    BatchDedicatedResources,
    BatchPredictionJob,
    GcsDestination,
    GcsSource,
    MachineSpec,
    ManualBatchTuningParameters,
)

from pipelines.vertex_ai.job import as_json
from pipelines.vertex_ai.service import Jobs
from pipelines.vertex_ai.submission import check_folder
from preprocess.contract import schema
from preprocess.files import storage
from preprocess.runtime.log import Log
from trainer.data.image_set import ImageSet
from trainer.data.png_folder import read_folder
from trainer.options import positive

INSTANCES_FILE = "instances.jsonl"
MACHINE = "n1-standard-4"
_BATCH = 12
"""Images in a request to a machine, at most 1.2 MB of JSON; an online request to a model may have 1.5 MB."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="registered model, as printed by register")
    add("--data", required=True, metavar="DIR", help="folder of prepared images, e.g. OUT/small_test")
    add("--output", required=True, metavar="GS", help="gs:// folder for the images as JSON, and for the predictions")
    add("--image_width", type=positive, default=schema.IMAGE_WIDTH, help="in pixels")
    add("--image_height", type=positive, default=schema.IMAGE_HEIGHT, help="in pixels")
    add("--display_name", default="breast-density prediction", metavar="NAME", help="display name of the job")
    add("--machine", default=MACHINE, metavar="TYPE", help="machine type")
    add("--wait", action="store_true", help="wait for the end of the job, and fail if it fails")
    add("--poll_seconds", type=float, default=30.0, metavar="S", help="seconds between requests for the job's state")
    add("--api_endpoint", default="", metavar="HOST", help="address of Vertex AI (default: Google's in the region)")
    add("--dry_run", action="store_true", help="print the job; write and start nothing")


def run(options: argparse.Namespace, log: Log) -> None:
    """Writes the images as JSON, and starts the job.

    Raises:
        InputError: an option or an image is wrong, or there are no credentials.
        RunFailed: the service refuses the job or cannot be reached, or the job did not succeed.
    """
    output = check_folder("--output", options.output)
    path = storage.join(output, INSTANCES_FILE)
    job = make_job(options, path, output)
    size = options.image_height, options.image_width
    images = read_folder(options.data, size, len(schema.DENSITIES), log)
    if options.dry_run:
        log.info(as_json(job))
        return
    storage.check_writable(output, "--output")
    with storage.open_for_writing(path) as file:
        file.writelines(instances(images))
    jobs = Jobs(options.project, options.region, options.api_endpoint)
    name = jobs.create(job)
    log.info(f"{name}\n{len(images):,} images in {path}; Vertex AI writes the predictions to {output}/prediction-*")
    if options.wait:
        jobs.wait(name, options.poll_seconds, log)


def instances(images: ImageSet) -> Iterator[bytes]:
    """Yields a line of JSON for each image: its name as `key`, and its raw values as `pixels`, (H, W, 1)."""
    for name, pixels in zip(images.names, images.pixels, strict=True):
        yield json.dumps({"key": name, "pixels": pixels.tolist()}, separators=(",", ":")).encode() + b"\n"


def make_job(options: argparse.Namespace, path: str, output: str) -> BatchPredictionJob:
    """Returns the job; its predictions have the key of the image in place of the pixels.

    Args:
        path: of the images as JSON.
        output: gs:// folder in which Vertex AI makes a folder for the predictions.
    """
    lines = "jsonl"
    return BatchPredictionJob(
        display_name=options.display_name,
        model=options.model,
        input_config=BatchPredictionJob.InputConfig(instances_format=lines, gcs_source=GcsSource(uris=[path])),
        instance_config=BatchPredictionJob.InstanceConfig(instance_type="object", key_field="key"),
        output_config=BatchPredictionJob.OutputConfig(
            predictions_format=lines, gcs_destination=GcsDestination(output_uri_prefix=output)
        ),
        dedicated_resources=BatchDedicatedResources(
            machine_spec=MachineSpec(machine_type=options.machine), starting_replica_count=1
        ),
        manual_batch_tuning_parameters=ManualBatchTuningParameters(batch_size=_BATCH),
    )
