"""Makes a data set and trains and evaluates models on it: `python -m pipelines.preprocess_and_train --help`."""

import argparse
import glob
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from pipelines.chain.stages import Stage, format_plan, run_stages
from pipelines.preparation import options as preparation
from pipelines.vertex_ai.options import add_vertex_options
from preprocess.contract import schema
from preprocess.files import storage
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer import options as training
from trainer.tpu_model import add_tpu_options

GPU, TPU, BOTH = "gpu", "tpu", "both"
HERE, VERTEX = "here", "vertex"
OWN_FLAGS = {"--trainer", "--train_on", "--dry_run"}
MODEL_DIR_FLAGS = {"--model_dir", "--job-dir", "--job_dir"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: that of the stage that failed, or 0; see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Makes the data set, verifies it, trains and evaluates the models, and writes the report.

    Raises:
        InputError: the command line is wrong, or a stage cannot start.
        RunFailed: a stage failed.
        Stopped: a signal ended a training; its last step is saved.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parse(arguments)
    stages = plan(options, arguments)
    if options.dry_run:
        log.info(format_plan(stages))
        return
    run_stages(stages, log)
    log.info(f"\nlook at {storage.join(options.output, schema.REPORT_FILE)}")


def plan(options: argparse.Namespace, arguments: Sequence[str]) -> list[Stage]:
    """Returns the stages of a run.

    The trainers get the image parameters from the options. These are also the parameters in the manifest of the data
    set, because otherwise the first stage fails.

    Args:
        options: the parsed `arguments`.
    """
    output = options.output
    for_both, rest = split_arguments(arguments, _flags(training.add_training_options) - MODEL_DIR_FLAGS)
    for_tpu, rest = split_arguments(rest, _flags(add_tpu_options))
    for_vertex, rest = split_arguments(rest, _flags(add_vertex_options))
    _, for_data = split_arguments(rest, OWN_FLAGS | MODEL_DIR_FLAGS)
    parameters = asdict(preparation.parameters_of(options))
    folders = _model_folders(options)
    stages = [Stage("preprocess", "pipelines.preprocess", for_data), Stage("verify", "pipelines.verify", [output])]
    for trainer, folder in folders.items():
        data = {GPU: _folders, TPU: _records}[trainer](output, parameters)
        for_trainer = [*for_both, *for_tpu] if trainer == TPU else for_both
        name, module, for_job = f"train and evaluate {trainer}_model", f"trainer.{trainer}_model", []
        if options.train_on == VERTEX:
            name, module = f"{name} on Vertex AI", "pipelines.vertex"
            for_job = ["submit", "--wait", f"--trainer={trainer}", *_project_options(options), *for_vertex]
        stages.append(Stage(name, module, [*for_job, *data, f"--model_dir={folder}", *for_trainer]))
    return [*stages, Stage("report", "pipelines.report", [output, "--model_dir", *folders.values()])]


def split_arguments(arguments: Sequence[str], flags: set[str]) -> tuple[list[str], list[str]]:
    """Splits a command line into the options in `flags` and the other options, each with its values."""
    named: list[str] = []
    others: list[str] = []
    current = others
    for argument in arguments:
        if argument.startswith("--"):
            current = named if argument.split("=")[0] in flags else others
        current.append(argument)
    return named, others


def _folders(output: str, parameters: Mapping) -> list[str]:
    train, test = (storage.join(output, schema.IMAGE_FOLDERS[split]) for split in schema.SPLITS)
    return [f"--training_data_dir={train}", f"--eval_data_dir={test}", *_image_options(parameters)]


def _records(output: str, parameters: Mapping) -> list[str]:
    shards = parameters["tfrecord_shards"]
    train, test = (
        [storage.join(glob.escape(output), f"{schema.RECORD_STEMS[split]}*.tfrecords")]
        if shards is None
        else [storage.join(output, schema.record_file(split, shard, shards)) for shard in range(shards)]
        for split in schema.SPLITS
    )
    return ["--training_data", *train, "--eval_data", *test, *_image_options(parameters)]


def _image_options(parameters: Mapping) -> list[str]:
    return [
        f"--image_width={parameters['image_width']}",
        f"--image_height={parameters['image_height']}",
        f"--category_count={len(schema.DENSITIES)}",
    ]


def _project_options(options: argparse.Namespace) -> list[str]:
    return [f"--project={options.cloud.project}", f"--region={options.cloud.region}"]


def _model_folders(options: argparse.Namespace) -> dict[str, str]:
    """Returns trainer -> model folder: --model_dir, or with both trainers a folder in it for each."""
    if options.trainer != BOTH:
        return {options.trainer: options.model_dir}
    return {trainer: storage.join(options.model_dir, f"{trainer}_model") for trainer in (GPU, TPU)}


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parses the whole command line, including the options of later stages, so a wrong one is reported at once.

    Raises:
        InputError: an unknown option, a missing one, or two that cannot be combined.
    """
    parser = CommandParser(
        prog="python -m pipelines.preprocess_and_train",
        description="Makes a data set, verifies it, trains and evaluates density classifiers on it, and writes a "
        "report. To continue a run that was stopped, run the same command again.",
        epilog=preparation.EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        elsewhere=preparation.beam_option_names,
    )
    parser.add_argument(
        "--trainer", choices=(GPU, TPU, BOTH), required=True,
        help="gpu: train from the PNGs; tpu: from the TFRecords; both: one after the other; the model is the same",
    )  # fmt: skip
    parser.add_argument(
        "--train_on", choices=(HERE, VERTEX), default=HERE,
        help="here: this machine; vertex: Vertex AI in --project and --region, with gs:// paths",
    )  # fmt: skip
    preparation.add_options(parser)
    training.add_training_options(parser)
    add_tpu_options(parser)
    add_vertex_options(parser)
    options, rest = parser.parse_known_args(arguments)
    preparation.check_beam_options(rest)
    options.cloud = PipelineOptions(rest).view_as(GoogleCloudOptions)
    options.model_dir = os.path.expanduser(training.model_dir_of(options))
    options.output = os.path.expanduser(options.output)
    if f"{storage.absolute(options.model_dir)}/".startswith(f"{storage.absolute(options.output)}/"):
        raise InputError(
            f"--model_dir {options.model_dir} is inside --output {options.output}, which may contain only the data "
            f"set; name a folder outside it"
        )
    if options.trainer == GPU and (misplaced := split_arguments(arguments, _flags(add_tpu_options))[0]):
        raise InputError(f"{misplaced[0].split('=')[0]} is an option of tpu_model; choose --trainer tpu or both")
    misplaced = split_arguments(arguments, _flags(add_vertex_options))[0]
    if options.train_on == VERTEX:
        _check_cloud(options)
    elif misplaced:
        raise InputError(f"{misplaced[0].split('=')[0]} is an option of Vertex AI; choose --train_on vertex")
    if options.trainer == BOTH and options.rehearse_tpu:
        raise InputError(
            "--rehearse_tpu must divide the CPU before TensorFlow starts, but the gpu trainer starts it first; "
            "choose --trainer tpu"
        )
    return options


def _check_cloud(options: argparse.Namespace) -> None:
    for flag, path in (("--output", options.output), ("--model_dir", options.model_dir)):
        if not storage.is_gcs(path):
            raise InputError(f"{flag} {path}: Vertex AI cannot read it; name a gs:// folder")
    machine = options.training_machine or options.accelerator or options.tpu_topology or options.image
    if options.trainer == BOTH and machine:
        raise InputError(f"{machine} suits only one of the two trainers; choose --trainer gpu or tpu")
    for flag, value in (("--project", options.cloud.project), ("--region", options.cloud.region)):
        if not value:
            raise InputError(f"no {flag}: --train_on vertex needs --project and --region")


def _flags(add_options: Callable[[argparse.ArgumentParser], None]) -> set[str]:
    """Returns the flags that a function adds to a parser."""
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    return set(parser._option_string_actions)  # argparse has no public list of its flags


if __name__ == "__main__":
    exit_process(main())
