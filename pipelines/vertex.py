"""Trains on Vertex AI: `python -m pipelines.vertex submit|tune|register|predict|status|logs|cancel --help`."""

from collections.abc import Sequence
from types import ModuleType

from pipelines.vertex_ai import predict, register, submit, tune, watch
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log

_COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "submit": (submit, "start a training"),
    "tune": (tune, "start a search for hyperparameters"),
    "register": (register, "register a trained model with its metrics"),
    "predict": (predict, "predict images with a registered model"),
    "status": (watch, "print the state of a job"),
    "logs": (watch, "print the log of a job"),
    "cancel": (watch, "cancel a job"),
}
_WITH_TRAINER = {"submit", "tune"}  # they also take the options of a trainer


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Runs one of the commands.

    Raises:
        InputError: the command line is wrong, or there are no credentials.
        RunFailed: the service refuses a request or cannot be reached, or --wait was given and the job did not succeed.
    """
    options, rest = _parser().parse_known_args(argv)
    module, _ = _COMMANDS[options.command]
    if options.command in _WITH_TRAINER:
        module.run(options, rest, log)
        return
    if rest:
        raise InputError(f"{rest[0]!r} belongs to no option of {options.command}; --help lists them")
    module.run(options, log)


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m pipelines.vertex", description="Trains on Vertex AI.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, text) in _COMMANDS.items():
        more = name in _WITH_TRAINER
        module.add_options(commands.add_parser(
            name, formatter_class=HelpFormatter, allow_abbrev=False, help=text,
            epilog="All other options are those of trainer.gpu_model or trainer.tpu_model." if more else None,
            elsewhere=submit.trainer_options if more else tuple,
        ))  # fmt: skip
    for command in commands.choices.values():
        command.add_argument("--project", required=True, metavar="P", help="Google Cloud project")
        command.add_argument("--region", required=True, metavar="R", help="e.g. us-central1")
    return parser


if __name__ == "__main__":
    exit_process(main())
