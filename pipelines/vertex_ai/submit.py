"""The command `pipelines.vertex submit`: starts a training."""

import argparse
from collections.abc import Sequence

from google.cloud.aiplatform_v1.types import CustomJob

from pipelines.vertex_ai.job import job_spec
from pipelines.vertex_ai.options import add_vertex_options
from pipelines.vertex_ai.submission import TRAINERS, check_arguments, check_folder, start
from preprocess.runtime.log import Log


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command; those of the trainer are not among them."""
    add = parser.add_argument
    add("--trainer", choices=tuple(TRAINERS), required=True, help="gpu_model on a GPU, or tpu_model on a TPU")
    add("--model_dir", required=True, metavar="GS",
        help="gs:// folder of the model; a training begun there is resumed")  # fmt: skip
    add("--wait", action="store_true", help="wait for the end of the job, and fail if it fails")
    add("--dry_run", action="store_true", help="print the job; start nothing")
    add_vertex_options(parser)


def trainer_options() -> set[str]:
    """Returns the names of the options of both trainers."""
    return set().union(*(trainer.make_parser().known_options() for trainer in TRAINERS.values()))


def run(options: argparse.Namespace, rest: Sequence[str], log: Log) -> None:
    """Starts a training.

    Args:
        rest: options of the trainer.

    Raises:
        InputError, RunFailed: see `submission.start`.
    """
    model_dir = check_folder("--model_dir", options.model_dir)
    arguments = [f"--model_dir={model_dir}", *rest]
    check_arguments(options, model_dir, arguments)
    name = options.display_name or f"breast-density {options.trainer}_model"
    job = CustomJob(display_name=name, job_spec=job_spec(options, arguments, model_dir))
    start(options, "--model_dir", model_dir, job, log)
