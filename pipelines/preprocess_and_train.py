"""From mammograms to judged models and a page about them: `python -m pipelines.preprocess_and_train --help`."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from pipelines.chain.stages import Stage, describe, run_stages
from pipelines.preparation import options as preparation
from pipelines.vertex_ai.options import add_vertex_options
from preprocess.contract import schema
from preprocess.files import storage
from preprocess.runtime.arguments import HelpFormatter
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
    """Runs the command; returns its exit status, that of the stage that failed."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Prepares the data set, verifies it, trains and judges the models, and writes the page.

    Raises:
        InputError: the command line is wrong, or a stage cannot start.
        RunFailed: a stage came to nothing.
        Stopped: a signal ended a training; its last step is saved.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    options = _parse(words)
    stages = plan(options, words)
    if options.dry_run:
        log.info(describe(stages))
        return
    run_stages(stages, log)
    log.info(f"\nlook at {storage.join(options.output, schema.REPORT_FILE)}")


def plan(options: argparse.Namespace, words: Sequence[str]) -> list[Stage]:
    """The stages of a run. What a trainer is told of the images are the parameters in the data set's manifest, which
    the first stage makes sure of.

    Args:
        options: the parsed `words`.
    """
    output = options.output
    for_both, rest = split_words(words, _flags(training.add_training_options) - MODEL_DIR_FLAGS)
    for_tpu, rest = split_words(rest, _flags(add_tpu_options))
    for_vertex, rest = split_words(rest, _flags(add_vertex_options))
    _, for_data = split_words(rest, OWN_FLAGS | MODEL_DIR_FLAGS)
    parameters = asdict(preparation.parameters_of(options))
    folders = _model_folders(options)
    stages = [Stage("preprocess", "pipelines.preprocess", for_data), Stage("verify", "pipelines.verify", [output])]
    for trainer, folder in folders.items():
        data = {GPU: _folders, TPU: _records}[trainer](output, parameters)
        own = for_tpu if trainer == TPU else []
        name, module, told = f"train and evaluate {trainer}_model", f"trainer.{trainer}_model", []
        if options.train_on == VERTEX:
            name, module = f"{name} on Vertex AI", "pipelines.vertex"
            told = ["submit", "--wait", f"--trainer={trainer}", *_whose(options), *for_vertex]
        stages.append(Stage(name, module, [*told, *data, f"--model_dir={folder}", *for_both, *own]))
    return [*stages, Stage("report", "pipelines.report", [output, "--model_dir", *folders.values()])]


def split_words(words: Sequence[str], flags: set[str]) -> tuple[list[str], list[str]]:
    """Splits a command line into the options that `flags` names and the others, each with its values."""
    named: list[str] = []
    others: list[str] = []
    side = others
    for word in words:
        if word.startswith("--"):
            side = named if word.split("=")[0] in flags else others
        side.append(word)
    return named, others


def _folders(output: str, parameters: Mapping) -> list[str]:
    train, test = (storage.join(output, schema.IMAGE_FOLDERS[split]) for split in schema.SPLITS)
    return [f"--training_data_dir={train}", f"--eval_data_dir={test}", *_contract(parameters)]


def _records(output: str, parameters: Mapping) -> list[str]:
    shards = parameters["tfrecord_shards"]
    train, test = (
        [storage.join(output, schema.record_file(split, shard, shards)) for shard in range(shards)]
        for split in schema.SPLITS
    )
    return ["--training_data", *train, "--eval_data", *test, *_contract(parameters)]


def _contract(parameters: Mapping) -> list[str]:
    return [
        f"--image_width={parameters['image_width']}",
        f"--image_height={parameters['image_height']}",
        f"--category_count={len(schema.DENSITIES)}",
    ]


def _whose(options: argparse.Namespace) -> list[str]:
    return [f"--project={options.cloud.project}", f"--region={options.cloud.region}"]


def _model_folders(options: argparse.Namespace) -> dict[str, str]:
    """Trainer -> its folder: the one that is named, or one in it for each of two."""
    if options.trainer != BOTH:
        return {options.trainer: options.model_dir}
    return {trainer: storage.join(options.model_dir, f"{trainer}_model") for trainer in (GPU, TPU)}


def _parse(words: Sequence[str]) -> argparse.Namespace:
    """Reads the whole command line, so that a wrong word ends the run before its first stage.

    Raises:
        InputError: an option is unknown, or does not go with another.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.preprocess_and_train",
        description="Prepares a data set, verifies it, trains and judges density classifiers on it, and writes a page. "
        "A run that was stopped goes on where it was when it is started again.",
        epilog=preparation.EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--trainer", choices=(GPU, TPU, BOTH), required=True,
        help="train from the PNGs (gpu), from the TFRecords (tpu), or each; both are the same model",
    )  # fmt: skip
    parser.add_argument(
        "--train_on", choices=(HERE, VERTEX), default=HERE,
        help="this machine, or Vertex AI, of --project in --region; the data set and the model are then on gs://",
    )  # fmt: skip
    preparation.add_options(parser)
    training.add_training_options(parser)
    add_tpu_options(parser)
    add_vertex_options(parser)
    options, rest = parser.parse_known_args(words)
    preparation.check_beam_options(rest, parser)
    options.cloud = PipelineOptions(rest).view_as(GoogleCloudOptions)
    options.model_dir = os.path.expanduser(training.model_dir_of(options))
    options.output = os.path.expanduser(options.output)
    if f"{storage.absolute(options.model_dir)}/".startswith(f"{storage.absolute(options.output)}/"):
        raise InputError(
            f"--model_dir {options.model_dir} lies in --output {options.output}, which holds the data set alone; "
            f"name a folder beside it"
        )
    if options.trainer == GPU and (strange := split_words(words, _flags(add_tpu_options))[0]):
        raise InputError(f"{strange[0].split('=')[0]} is an option of tpu_model; choose --trainer tpu or both")
    strange = split_words(words, _flags(add_vertex_options))[0]
    if options.train_on == VERTEX:
        _check_cloud(options)
    elif strange:
        raise InputError(f"{strange[0].split('=')[0]} is an option of Vertex AI; choose --train_on vertex")
    if options.trainer == BOTH and options.rehearse_tpu:
        raise InputError("--rehearse_tpu divides this machine before the other trainer starts; choose --trainer tpu")
    return options


def _check_cloud(options: argparse.Namespace) -> None:
    for flag, path in (("--output", options.output), ("--model_dir", options.model_dir)):
        if not storage.is_gcs(path):
            raise InputError(f"{flag} {path}: Vertex AI does not see it; name a gs:// folder")
    machine = options.training_machine or options.accelerator or options.tpu_topology or options.image
    if options.trainer == BOTH and machine:
        raise InputError(f"{machine} is a machine of one kind; choose --trainer gpu or tpu")
    for flag, value in (("--project", options.cloud.project), ("--region", options.cloud.region)):
        if not value:
            raise InputError(f"no {flag}: --train_on vertex needs --project and --region")


def _flags(add_options: Callable[[argparse.ArgumentParser], None]) -> set[str]:
    """The flags that a function adds to a parser."""
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    return set(parser._option_string_actions)  # argparse has no public way to ask


if __name__ == "__main__":
    exit_process(main())
