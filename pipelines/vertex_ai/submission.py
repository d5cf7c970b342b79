"""Checks a training before anything is sent, uploads the trainers' package, and starts the job."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from pipelines.vertex_ai import trainer_package
from pipelines.vertex_ai.job import as_json
from pipelines.vertex_ai.service import Job, Jobs
from pipelines.vertex_ai.trainer_package import GPU, TPU
from preprocess.files import storage
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer import gpu_model, tpu_model

TRAINERS = {GPU: gpu_model, TPU: tpu_model}
_CONSOLE = "https://console.cloud.google.com"


def check_folder(flag: str, path: str) -> str:
    """Returns the path of a gs:// folder without a last `/`.

    Raises:
        InputError: it is not in gs://.
    """
    if not storage.is_gcs(path):
        raise InputError(f"{flag} {path}: Vertex AI cannot read it; name a gs:// folder")
    return path.rstrip("/")


def check_arguments(options: argparse.Namespace, model_dir: str, arguments: Sequence[str]) -> None:
    """Checks the options of a trainer with its own parser, so that a misspelt one starts no machine.

    Raises:
        InputError: one is invalid, or names a path that is not in gs://.
    """
    used, *inputs = TRAINERS[options.trainer].check(arguments)
    if used != model_dir:
        raise InputError(f"--model_dir {model_dir}, but the trainer's options name {used}; name one folder")
    for path in inputs:
        if not storage.is_gcs(path):
            raise InputError(f"{path}: Vertex AI cannot read it; name a gs:// path")


def start(options: argparse.Namespace, model_dir: str, make_job: Callable[[str], Job], log: Log) -> None:
    """Uploads the trainers' package, starts a job, and prints its name and pages; with --wait, waits for its end.

    For a TPU no package is uploaded, because its image contains the trainers. With --dry_run, only the job is printed.

    Args:
        make_job: returns the job, given the gs:// path of the package.

    Raises:
        InputError: an option is wrong, or there are no credentials.
        RunFailed: the service refuses the job or cannot be reached, or the job did not succeed.
    """
    staging = storage.join(storage.bucket_of(model_dir), "vertex-staging")
    if options.staging:
        staging = check_folder("--staging", options.staging)
    with tempfile.TemporaryDirectory() as folder:
        package, target = None, ""
        if options.trainer == GPU:
            package, content = trainer_package.build(Path(folder))
            target = storage.join(staging, f"{content}/{package.name}")
        job = make_job(target)
        if options.dry_run:
            log.info(as_json(job))
            return
        if package:
            storage.check_writable(staging, "--staging")
            storage.upload(str(package), target)
    jobs = Jobs(options.project, options.region, options.api_endpoint)
    name = jobs.create(job)
    log.info(f"{name}\n{_links(name, options, model_dir)}")
    if options.wait:
        jobs.wait(name, options.poll_seconds, log)


def _links(name: str, options: argparse.Namespace, model_dir: str) -> str:
    number = name.rpartition("/")[2]
    query = quote(f'resource.labels.job_id="{number}"')
    pages = {
        "job": f"vertex-ai/locations/{options.region}/training/{number}?project={options.project}",
        "logs": f"logs/query;query={query}?project={options.project}",
        "model": f"storage/browser/{quote(model_dir.removeprefix(storage.GCS_SCHEME))}?project={options.project}",
    }
    return "\n".join(f"{what:5} {_CONSOLE}/{page}" for what, page in pages.items())
