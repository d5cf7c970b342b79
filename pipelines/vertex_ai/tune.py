"""The command `pipelines.vertex tune`: starts a search for hyperparameters."""

import argparse
from collections.abc import Sequence

from pipelines.tuning.space import SEARCHED, read_space
from pipelines.vertex_ai.job import job_spec
from pipelines.vertex_ai.options import add_vertex_options
from pipelines.vertex_ai.study import tuning_job
from pipelines.vertex_ai.submission import TRAINERS, check_arguments, check_folder, start
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.options import positive
from trainer.settings import METRICS

EVALUATION = ("--eval_data_dir", "--eval_data", "--eval_steps")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command; those of the trainer are not among them."""
    add = parser.add_argument
    add("--trainer", choices=tuple(TRAINERS), required=True, help="gpu_model on a GPU, or tpu_model on a TPU")
    add("--search", required=True, metavar="SPACE.yaml",
        help=f"the space, as for pipelines.tune; its names are of {', '.join(SEARCHED)}")  # fmt: skip
    add("--trials", type=positive, default=20, metavar="N", help="number of trainings")
    add("--parallel", type=positive, default=2, metavar="N", help="trainings at the same time, each on its own machine")
    add("--metric", choices=METRICS, default="kappa", help="of the last validation of a training")
    add("--output", required=True, metavar="GS", help="gs:// folder; trial N writes to N/model and N/logs in it")
    add("--wait", action="store_true", help="wait for the end of the job, and fail if it fails")
    add("--dry_run", action="store_true", help="print the job; start nothing")
    add_vertex_options(parser)


def run(options: argparse.Namespace, rest: Sequence[str], log: Log) -> None:
    """Starts a search.

    Args:
        rest: options of all trainings.

    Raises:
        InputError: an option or the space is wrong, or there are no credentials.
        RunFailed: see `submission.start`.
    """
    output = check_folder("--output", options.output)
    space = read_space(options.search)
    given = {word.partition("=")[0] for word in rest}
    for flag in sorted(given.intersection(EVALUATION)):
        raise InputError(f"{flag}: a search reads no evaluation images; leave the option out")
    for flag in sorted(given.intersection(["--model_dir", "--job-dir", "--job_dir"])):
        raise InputError(f"{flag}: each trial has its own folder in --output; leave the option out")
    for name in sorted(given.intersection(f"--{name}" for name in space)):
        raise InputError(f"{name}: {options.search} searches it; leave the option out")
    arguments = [*rest, "--eval_steps=0", f"--report_metric={options.metric}"]
    check_arguments(options, output, [f"--model_dir={output}", *arguments])
    name = options.display_name or f"breast-density search {options.trainer}_model"
    training = job_spec(options, arguments, output)
    job = tuning_job(name, space, options.metric, options.trials, options.parallel, training)
    start(options, "--output", output, job, log)
