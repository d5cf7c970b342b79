"""The commands `pipelines.vertex status`, `logs` and `cancel`."""

import argparse

from google.cloud.aiplatform_v1.types import BatchPredictionJob, HyperparameterTuningJob

from pipelines.vertex_ai.service import Job, Jobs, read_log, state_name
from pipelines.vertex_ai.study import describe_trials
from preprocess.runtime.log import Log


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the commands."""
    parser.add_argument("job", metavar="JOB", help="name of the job; or the number of a training")
    parser.add_argument("--api_endpoint", default="", metavar="HOST", help="address of Vertex AI")
    parser.add_argument("--logging_endpoint", default="", metavar="HOST", help="address of Cloud Logging")


def run(options: argparse.Namespace, log: Log) -> None:
    """Prints the state or the log of a job, or cancels it.

    Raises:
        InputError: there are no credentials.
        RunFailed: the service refuses the request or cannot be reached.
    """
    jobs = Jobs(options.project, options.region, options.api_endpoint)
    if options.command == "status":
        log.info(_describe(jobs.get(options.job)))
    elif options.command == "cancel":
        jobs.cancel(options.job)
        log.info(f"{jobs.full_name(options.job)}: cancellation requested; a training saves its last step")
    else:
        for line in read_log(options.project, options.job.rpartition("/")[2], options.logging_endpoint):
            log.info(line)


def _describe(job: Job) -> str:
    times = {"created": job.create_time, "started": job.start_time, "ended": job.end_time}
    lines = [f"{job.name}: {state_name(job)}"]
    lines += [f"{name:8} {moment:%Y-%m-%d %H:%M:%S} UTC" for name, moment in times.items() if moment]
    if job.error.message:
        lines.append(f"error    {job.error.message}")
    if isinstance(job, HyperparameterTuningJob):
        lines += describe_trials(job)
    if isinstance(job, BatchPredictionJob) and job.output_info.gcs_output_directory:
        lines.append(f"written  {job.output_info.gcs_output_directory}")
    return "\n".join(lines)
