"""SIGTERM and SIGINT as a question that a run asks itself between two calls of the loop."""

import signal
from types import FrameType

from preprocess.errors import Stopped

_HEEDED = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """As a context manager, takes note of signals instead of dying of them."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Signals":
        for number in _HEEDED:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raises `Stopped` if a signal came."""
        if self.received:
            raise Stopped(self.received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received == number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: at once
        self.received = number
