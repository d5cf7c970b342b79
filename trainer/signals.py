"""SIGTERM and SIGINT as a question that a run asks itself between two calls of the loop; before it, as an end."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from preprocess.errors import Stopped

_HEEDED = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """As a context manager, takes note of signals instead of dying of them.

    Args:
        largest: see `Devices.largest`: what one of several workers is told, all of them are.
    """

    def __init__(self, largest: Callable[[float], float]) -> None:
        self.received = 0
        self._largest = largest
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

    def share(self) -> bool:
        """Whether a signal came, to this worker or to another; all of them must ask."""
        self.received = int(self._largest(self.received))
        return bool(self.received)

    def check_all(self) -> None:
        """As `check`, of all workers, all of which must ask."""
        self.share()
        self.check()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received == number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: at once
        self.received = number


def end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """What a trainer answers SIGTERM with while there is nothing to save, whatever thread waits for whatever store.

    The system's default would do so, too, but not to the first process of a container, which gets no signal that it
    does not handle. An exception could be caught by whoever is being imported.
    """
    del frame
    text = f"stopped by {signal.Signals(number).name} before any step was taken: the same command begins again\n"
    os.write(2, text.encode())
    os._exit(128 + number)
