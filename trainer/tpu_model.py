"""Trains and evaluates a density classifier with images from TFRecords: `python -m trainer.tpu_model --help`."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from preprocess.runtime.arguments import CommandParser
from preprocess.runtime.command import exit_process, on_sigterm, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer import options as command_line
from trainer.data.image_set import ImageSet
from trainer.data.record_files import read_record_files
from trainer.runtime.cluster import VARIABLE, Cluster, read_cluster
from trainer.runtime.signals import exit_at_once
from trainer.runtime.startup import import_tensorflow, set_arithmetic
from trainer.settings import TF32, Settings

if TYPE_CHECKING:
    from trainer.runtime.devices import Devices


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `preprocess.runtime.command`."""
    return run_command(lambda: run(argv, Log()), exit_at_once)


def check(argv: Sequence[str]) -> list[str]:
    """Parses a command line without running it, e.g. before it is sent to another machine.

    Returns:
        The paths that the command would use: `--model_dir` first, then the images.

    Raises:
        InputError: an option is invalid or missing.
        SystemExit: --help.
    """
    options, settings = _parse(argv)
    return [settings.model_dir, *options.training_data, *options.eval_data]


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Reads the records, then trains on a TPU, or, without a TPU, on the same devices as `gpu_model`.

    Raises:
        InputError, RunFailed, Stopped: see `session.run`.
    """
    options, settings = _parse(argv)
    cluster = read_cluster()

    def read(patterns: Sequence[str]) -> ImageSet:
        return read_record_files(patterns, settings.size, settings.categories, log)

    with on_sigterm(exit_at_once):
        training = read(options.training_data)
        evaluation = read(options.eval_data) if options.eval_data else None
        notes = import_tensorflow()  # takes seconds, so errors in the options and images are reported before it
        set_arithmetic(settings.precision == TF32, options.deterministic)
        from trainer import session
        from trainer.runtime.accelerators import find_devices

        found = find_devices(lambda: _find_devices(options, cluster, log), notes, options.require_accelerator, log)
        session.run(settings, training, evaluation, found, log)


def _find_devices(options: argparse.Namespace, cluster: Cluster, log: Log) -> "Devices":
    from trainer.runtime import devices, tpus

    if options.rehearse_tpu:
        _check_alone(cluster, "--rehearse_tpu")
        return devices.rehearse_tpu(options.num_shards)
    if found := tpus.find_tpu(options.tpu, options.tpu_zone, options.gcp_project):
        _check_alone(cluster, "a TPU")
        replicas = found.strategy.num_replicas_in_sync
        if replicas != options.num_shards:
            log.info(f"this TPU has {replicas} cores, and all are used; --num_shards {options.num_shards} is ignored")
        return found
    log.info("no TPU is named by --tpu or the environment: training on the workers of TF_CONFIG, on GPUs or on the CPU")
    return devices.find_gpus(cluster)


def _check_alone(cluster: Cluster, what: str) -> None:
    """Makes sure that no other worker is told to train the same model, because this process would not connect to it.

    Raises:
        InputError: the cluster has several workers.
    """
    if cluster.size >= 2:
        raise InputError(
            f"{VARIABLE} names {cluster.size} workers, but a training on {what} is one process; "
            f"start one process without {VARIABLE}"
        )


def _parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, Settings]:
    options, settings = command_line.parse(make_parser(), argv)
    command_line.check_evaluation("--eval_data", options.eval_data, settings)
    return options, settings


def make_parser() -> CommandParser:
    """Returns the parser of the command line."""
    parser = command_line.make_parser("tpu_model", "Trains a breast-density classifier from TFRecords.")
    data = parser.add_argument_group("data")
    files = "paths or glob patterns, local or gs://; all shards are required"
    data.add_argument("--training_data", required=True, nargs="+", metavar="FILES",
                      help=f"TFRecord files of the training images: {files}")  # fmt: skip
    data.add_argument("--eval_data", default=[], nargs="+", metavar="FILES",
                      help=f"those of the evaluation images: {files}; not needed with --eval_steps 0")  # fmt: skip
    add_tpu_options(parser)
    return parser


def add_tpu_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name a TPU and set how it is used."""
    tpu = parser.add_argument_group("TPU")
    tpu.add_argument("--tpu", default="", metavar="NAME", help="name or address of the TPU; 'local' on a TPU VM")
    tpu.add_argument("--tpu_zone", default="", metavar="ZONE", help="zone of the TPU")
    tpu.add_argument("--gcp_project", default="", metavar="PROJECT", help="Google Cloud project of the TPU")
    tpu.add_argument("--num_shards", type=command_line.positive, default=8, metavar="N",
                     help="number of replicas with --rehearse_tpu")  # fmt: skip
    tpu.add_argument(
        "--iterations", type=command_line.positive, default=command_line.Settings.iterations, metavar="N",
        help="largest number of steps in one call of the training loop; a call has fewer if steps are slow; does not "
        "change the result",
    )  # fmt: skip
    tpu.add_argument(
        "--rehearse_tpu", action="store_true",
        help="run on the CPU as on a TPU: static shapes, compiled by XLA, --num_shards replicas; slow",
    )  # fmt: skip


if __name__ == "__main__":
    exit_process(main())
