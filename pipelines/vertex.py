"""Trains on Vertex AI: `python -m pipelines.vertex submit|status|logs|cancel --help`."""

from collections.abc import Sequence

from pipelines.vertex_ai import submit, watch
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log


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
    if options.command == "submit":
        submit.run(options, rest, log)
        return
    if rest:
        raise InputError(f"{rest[0]!r} belongs to no option of {options.command}; --help lists them")
    watch.run(options, log)


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m pipelines.vertex", description="Trains on Vertex AI.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    submit.add_options(commands.add_parser(
        "submit", formatter_class=HelpFormatter, allow_abbrev=False, help="upload the trainers and start a training",
        epilog="All other options are those of trainer.gpu_model or trainer.tpu_model.",
        elsewhere=submit.trainer_options,
    ))  # fmt: skip
    for name, use in watch.COMMANDS.items():
        watch.add_options(commands.add_parser(name, help=use, formatter_class=HelpFormatter, allow_abbrev=False))
    for command in commands.choices.values():
        command.add_argument("--project", required=True, metavar="P", help="Google Cloud project")
        command.add_argument("--region", required=True, metavar="R", help="e.g. us-central1")
    return parser


if __name__ == "__main__":
    exit_process(main())
