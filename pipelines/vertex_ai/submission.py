"""Checks a training before anything is sent, and starts the job."""

import argparse
from collections.abc import Sequence
from urllib.parse import quote

from pipelines.vertex_ai.image_requirements import GPU, TPU
from pipelines.vertex_ai.job import as_json
from pipelines.vertex_ai.service import Job, Jobs
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


def start(options: argparse.Namespace, flag: str, folder: str, job: Job, log: Log) -> None:
    """Starts a job, and prints its name and pages; with --wait, waits for its end. With --dry_run, only prints the job.

    Args:
        flag: the option that names `folder`, for messages.
        folder: gs:// folder of the job's output; before the job is sent, a file is written and deleted in it.

    Raises:
        InputError: the folder cannot be written to, or there are no credentials.
        RunFailed: the service refuses the job or cannot be reached, or the job did not succeed.
    """
    if options.dry_run:
        log.info(as_json(job))
        return
    storage.check_writable(folder, flag)
    jobs = Jobs(options.project, options.region, options.api_endpoint)
    name = jobs.create(job)
    log.info(f"{name}\n{_links(name, options, folder)}")
    if options.wait:
        jobs.wait(name, options.poll_seconds, log)


def _links(name: str, options: argparse.Namespace, folder: str) -> str:
    number = name.rpartition("/")[2]
    query = quote(f'resource.labels.job_id="{number}"')
    pages = {
        "job": f"vertex-ai/locations/{options.region}/training/{number}?project={options.project}",
        "logs": f"logs/query;query={query}?project={options.project}",
        "model": f"storage/browser/{quote(folder.removeprefix(storage.GCS_SCHEME))}?project={options.project}",
    }
    return "\n".join(f"{what:5} {_CONSOLE}/{page}" for what, page in pages.items())
