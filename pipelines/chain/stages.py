"""A run of several commands, one after the other: each is a stage that could be run by hand."""

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
        name: for a person.
        module: has a function `run(argv, log)`; imported when its turn comes.
        words: its command line.
    """

    name: str
    module: str
    words: Sequence[str]

    @property
    def command(self) -> str:
        """As one would type it."""
        return f"python -m {self.module} {shlex.join(self.words)}"


def run_stages(stages: Sequence[Stage], log: Log) -> None:
    """Runs the stages up to the first that fails.

    Raises:
        InputError, RunFailed: a stage failed; the message names it.
        Stopped: a signal ended one.
    """
    with log.plan([stage.name for stage in stages]):
        for stage in stages:
            with log.stage(stage.name):
                _run(stage, log)


def _run(stage: Stage, log: Log) -> None:
    try:
        importlib.import_module(stage.module).run(stage.words, log)
    except (InputError, RunFailed) as error:
        raise type(error)(f"stage {stage.name!r}: {error}") from error


def describe(stages: Sequence[Stage]) -> str:
    """The plan: every stage and its command."""
    return "\n".join(f"{number}. {stage.name}\n   {stage.command}" for number, stage in enumerate(stages, 1))
