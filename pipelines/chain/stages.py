"""Runs several commands one after the other; each is a stage that can also be run by hand."""

import importlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from preprocess.runtime.errors import InputError, RunFailed
from preprocess.runtime.log import Log


@dataclass(frozen=True)
class Stage:
    """One command.

    Attributes:
        name: for messages.
        module: has a function `run(argv, log)`; imported when the stage begins.
        arguments: of its command line.
    """

    name: str
    module: str
    arguments: Sequence[str]

    @property
    def command(self) -> str:
        """The command line, quoted for a shell."""
        return f"python -m {self.module} {shlex.join(self.arguments)}"


def run_stages(stages: Sequence[Stage], log: Log) -> None:
    """Runs the stages in order, up to the first that fails.

    Raises:
        InputError, RunFailed: a stage failed; the message names it.
        Stopped: a signal ended a training.
    """
    with log.plan([stage.name for stage in stages]):
        for stage in stages:
            with log.stage(stage.name):
                _run(stage, log)


def _run(stage: Stage, log: Log) -> None:
    try:
        importlib.import_module(stage.module).run(stage.arguments, log)
    except (InputError, RunFailed) as error:
        raise type(error)(f"stage {stage.name!r}: {error}", error.details) from error


def format_plan(stages: Sequence[Stage]) -> str:
    """Formats the stages of a run with their command lines."""
    return "\n".join(f"{number}. {stage.name}\n   {stage.command}" for number, stage in enumerate(stages, 1))
