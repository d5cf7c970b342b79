"""The ways in which a run or one image can fail, each with a message made for its reader."""

import signal


class InputError(Exception):
    """The run cannot start: a missing CSV, an unreadable root, a misspelt option. Exit status 2."""


class RunFailed(Exception):
    """The run started and cannot finish: too many mammograms rejected, a loss that is not finite. Exit status 1."""


class Stopped(Exception):
    """A signal ended the run. Exit status 128 plus its number.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(
            f"stopped by {signal.Signals(number).name}: the last step is saved; the same command goes on from it"
        )
        self.number = number


class RejectedFilm(Exception):
    """One film cannot be used. It costs that image, never the run.

    Attributes:
        stage: where it was found out, one of `schema.STAGES`.
        reason: what was found and what was expected, for a person.
    """

    def __init__(self, stage: str, reason: str):
        super().__init__(stage, reason)
        self.stage = stage
        self.reason = reason
