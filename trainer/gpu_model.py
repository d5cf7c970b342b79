"""Trains and judges a density classifier from folders of PNGs: `python -m trainer.gpu_model --help`."""

import argparse
from collections.abc import Sequence

from preprocess.runtime.command import exit_process, on_sigterm, run_command
from preprocess.runtime.log import Log
from trainer import options as command_line
from trainer.data import sources
from trainer.data.png_folder import read_folder
from trainer.runtime.signals import exit_at_once
from trainer.runtime.startup import import_tensorflow


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `preprocess.command`."""
    return run_command(lambda: run(argv, Log()), exit_at_once)


def check(argv: Sequence[str]) -> list[str]:
    """Reads a command line without running it, for who starts it elsewhere; returns the paths that it would use.

    Raises:
        InputError: it is wrong; or SystemExit, argparse having said so.
    """
    options, settings = command_line.parse(_parser(), argv)
    folders = (options.training_data_dir, options.eval_data_dir)
    return [settings.model_dir, *(sources.in_bucket(options.data_bucket, folder) for folder in folders)]


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Reads the folders, then trains on GPUs, on several workers, or on the CPU.

    Raises:
        InputError, RunFailed, Stopped: see `session.run`.
    """
    options, settings = command_line.parse(_parser(), argv)
    with on_sigterm(exit_at_once):
        training, evaluation = (
            read_folder(sources.in_bucket(options.data_bucket, folder), settings.size, settings.categories, log)
            for folder in (options.training_data_dir, options.eval_data_dir)
        )
        import_tensorflow()  # it takes seconds: what is wrong so far is said before
        from trainer import session
        from trainer.runtime import devices

        session.run(settings, training, evaluation, devices.find_gpus(), log)


def _parser() -> argparse.ArgumentParser:
    parser = command_line.make_parser("gpu_model", "Trains a breast-density classifier from folders of 16-bit PNGs.")
    data = parser.add_argument_group("data")
    data.add_argument("--data_bucket", default="", metavar="B", help="the folders are inside gs://B")
    data.add_argument("--training_data_dir", required=True, metavar="DIR", help="images named <density>_<case>")
    data.add_argument("--eval_data_dir", required=True, metavar="DIR", help="the same, for the evaluation")
    return parser


if __name__ == "__main__":
    exit_process(main())
