"""Trains and evaluates a density classifier with images from folders of PNGs: `python -m trainer.gpu_model --help`."""

import argparse
from collections.abc import Sequence

from preprocess.runtime.arguments import CommandParser
from preprocess.runtime.command import exit_process, on_sigterm, run_command
from preprocess.runtime.log import Log
from trainer import options as command_line
from trainer.data import sources
from trainer.data.image_set import ImageSet
from trainer.data.png_folder import read_folder
from trainer.runtime.cluster import read_cluster
from trainer.runtime.signals import exit_at_once
from trainer.runtime.startup import import_tensorflow, set_arithmetic
from trainer.settings import TF32, Settings


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
    folders = filter(None, (options.training_data_dir, options.eval_data_dir))
    return [settings.model_dir, *(sources.in_bucket(options.data_bucket, folder) for folder in folders)]


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Reads the image folders, then trains on the workers of TF_CONFIG, on GPUs or on the CPU.

    Raises:
        InputError, RunFailed, Stopped: see `session.run`.
    """
    options, settings = _parse(argv)
    cluster = read_cluster()

    def read(folder: str) -> ImageSet:
        return read_folder(sources.in_bucket(options.data_bucket, folder), settings.size, settings.categories, log)

    with on_sigterm(exit_at_once):
        training = read(options.training_data_dir)
        evaluation = read(options.eval_data_dir) if options.eval_data_dir else None
        notes = import_tensorflow()  # takes seconds, so errors in the options and images are reported before it
        set_arithmetic(settings.precision == TF32, options.deterministic)
        from trainer import session
        from trainer.runtime.accelerators import find_devices
        from trainer.runtime.devices import find_gpus

        found = find_devices(lambda: find_gpus(cluster), notes, options.require_accelerator, log)
        session.run(settings, training, evaluation, found, log)


def _parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, Settings]:
    options, settings = command_line.parse(make_parser(), argv)
    command_line.check_evaluation("--eval_data_dir", options.eval_data_dir, settings)
    return options, settings


def make_parser() -> CommandParser:
    """Returns the parser of the command line."""
    parser = command_line.make_parser("gpu_model", "Trains a breast-density classifier from folders of 16-bit PNGs.")
    data = parser.add_argument_group("data")
    data.add_argument("--data_bucket", default="", metavar="B", help="a bucket; the two folders are paths in gs://B")
    data.add_argument("--training_data_dir", required=True, metavar="DIR",
                      help="training images, named <density>_<mammogram ID>")  # fmt: skip
    data.add_argument("--eval_data_dir", metavar="DIR",
                      help="evaluation images, named in the same way; not needed with --eval_steps 0")  # fmt: skip
    return parser


if __name__ == "__main__":
    exit_process(main())
