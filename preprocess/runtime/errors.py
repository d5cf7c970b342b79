"""The errors of a run and of one film. Each message is written for the user."""

import signal
from collections.abc import Sequence


class _CommandError(Exception):
    """An error that ends a command.

    Attributes:
        details: lines that are printed below the message.
    """

    def __init__(self, message: str, details: Sequence[str] = ()):
        super().__init__(message)
        self.details = tuple(details)


class InputError(_CommandError):
    """The run cannot start, e.g. because a CSV file is missing or an option is misspelt. Exit status 2."""


class RunFailed(_CommandError):
    """The run started and cannot finish, e.g. because too many mammograms are rejected. Exit status 1."""


class Stopped(Exception):
    """A signal stopped a training. Exit status 128 plus its number.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(
            f"stopped by {signal.Signals(number).name}: the last step is saved; the same command continues from it"
        )
        self.number = number


class RejectedFilm(Exception):
    """One film cannot be used. The run continues without it.

    Attributes:
        stage: where the fault was found, one of `schema.STAGES`.
        reason: what was found and what was expected, for the user.
    """

    def __init__(self, stage: str, reason: str):
        super().__init__(stage, reason)
        self.stage = stage
        self.reason = reason
