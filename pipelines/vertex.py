"""Trains on Vertex AI: `python -m pipelines.vertex submit|status|logs|cancel --help`."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from google.cloud.aiplatform_v1.types import CustomJob

from pipelines.vertex_ai import job as vertex_job
from pipelines.vertex_ai import trainer_package
from pipelines.vertex_ai.options import add_vertex_options
from pipelines.vertex_ai.service import Jobs, read_log, state_name
from pipelines.vertex_ai.trainer_package import GPU, TPU
from preprocess.files import storage
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer import gpu_model, tpu_model

CONSOLE = "https://console.cloud.google.com"
_TRAINERS = {GPU: gpu_model, TPU: tpu_model}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Submits a training, prints its state or its log, or cancels it.

    Raises:
        InputError: the command line is wrong, or there are no credentials.
        RunFailed: the service refuses a request or cannot be reached, or --wait was given and the job did not succeed.
    """
    parser = _parser()
    options, rest = parser.parse_known_args(argv)
    if options.command == "submit":
        _submit(options, rest, log)
        return
    if rest:
        raise InputError(f"{rest[0]!r} belongs to no option of {options.command}; --help lists them")
    jobs = Jobs(options.project, options.region, options.api_endpoint)
    if options.command == "status":
        log.info(_status(jobs.get(options.job)))
    elif options.command == "cancel":
        jobs.cancel(options.job)
        log.info(f"{jobs.full_name(options.job)}: cancellation requested; a training saves its last step")
    else:
        for line in read_log(options.project, _number(options.job), options.logging_endpoint):
            log.info(line)


def _submit(options: argparse.Namespace, rest: Sequence[str], log: Log) -> None:
    model_dir = options.model_dir.rstrip("/")
    for flag, path in (("--model_dir", model_dir), ("--staging", options.staging or storage.GCS_SCHEME)):
        if not storage.is_gcs(path):
            raise InputError(f"{flag} {path}: Vertex AI cannot read it; name a gs:// folder")
    staging = options.staging.rstrip("/") or storage.join(storage.bucket_of(model_dir), "vertex-staging")
    arguments = [f"--model_dir={model_dir}", *rest]
    model_dir_used, *inputs = _TRAINERS[options.trainer].check(arguments)
    if model_dir_used != model_dir:
        raise InputError(f"--model_dir {model_dir}, but the trainer's options name {model_dir_used}; name one folder")
    for path in inputs:
        if not storage.is_gcs(path):
            raise InputError(f"{path}: Vertex AI cannot read it; name a gs:// path")
    name = options.display_name or f"breast-density {options.trainer}_model"
    with tempfile.TemporaryDirectory() as folder:
        package, content = trainer_package.build(Path(folder), options.trainer)
        target = storage.join(staging, f"{content}/{package.name}")
        job = vertex_job.build_job(options, name, target, arguments, model_dir)
        if options.dry_run:
            log.info(vertex_job.as_json(job))
            return
        storage.check_writable(staging, "--staging")
        storage.upload(str(package), target)
    jobs = Jobs(options.project, options.region, options.api_endpoint)
    created = jobs.create(job)
    log.info(f"{created.name}\n{_links(created.name, options, model_dir)}")
    if options.wait:
        jobs.wait(created.name, options.poll_seconds, log)


def _status(job: CustomJob) -> str:
    times = {"created": job.create_time, "started": job.start_time, "ended": job.end_time}
    lines = [f"{job.name}: {state_name(job)}"]
    lines += [f"{name:8} {moment:%Y-%m-%d %H:%M:%S} UTC" for name, moment in times.items() if moment]
    return "\n".join(lines + [f"error    {job.error.message}"] * bool(job.error.message))


def _links(name: str, options: argparse.Namespace, model_dir: str) -> str:
    query = quote(f'resource.labels.job_id="{_number(name)}"')
    pages = {
        "job": f"vertex-ai/locations/{options.region}/training/{_number(name)}?project={options.project}",
        "logs": f"logs/query;query={query}?project={options.project}",
        "model": f"storage/browser/{quote(model_dir.removeprefix(storage.GCS_SCHEME))}?project={options.project}",
    }
    return "\n".join(f"{what:5} {CONSOLE}/{page}" for what, page in pages.items())


def _number(name: str) -> str:
    return name.rpartition("/")[2]


def _trainer_options() -> set[str]:
    return set().union(*(trainer.make_parser().known_options() for trainer in _TRAINERS.values()))


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m pipelines.vertex", description="Trains on Vertex AI.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    submit = commands.add_parser(
        "submit", formatter_class=HelpFormatter, allow_abbrev=False, help="upload the trainers and start a training",
        epilog="All other options are those of trainer.gpu_model or trainer.tpu_model.",
        elsewhere=_trainer_options,
    )  # fmt: skip
    submit.add_argument(
        "--trainer", choices=tuple(_TRAINERS), required=True, help="gpu_model on a GPU, or tpu_model on a TPU"
    )
    submit.add_argument(
        "--model_dir", required=True, metavar="GS", help="gs:// folder of the model; a training begun there is resumed"
    )
    submit.add_argument("--wait", action="store_true", help="wait for the end of the job, and fail if it fails")
    submit.add_argument("--dry_run", action="store_true", help="print the job; upload and start nothing")
    add_vertex_options(submit)
    about = {"status": "print the state of a job", "logs": "print the log of a job", "cancel": "cancel a job"}
    for name, use in about.items():
        command = commands.add_parser(name, help=use, formatter_class=HelpFormatter, allow_abbrev=False)
        command.add_argument("job", metavar="JOB", help="name or number of the job")
        command.add_argument("--api_endpoint", default="", metavar="HOST", help="address of Vertex AI")
        command.add_argument("--logging_endpoint", default="", metavar="HOST", help="address of Cloud Logging")
    for command in commands.choices.values():
        command.add_argument("--project", required=True, metavar="P", help="Google Cloud project")
        command.add_argument("--region", required=True, metavar="R", help="e.g. us-central1")
    return parser


if __name__ == "__main__":
    exit_process(main())
