"""SIGTERM and SIGINT as a question that a run asks itself between two calls of the loop; before it, as an end."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from preprocess.runtime.errors import Stopped

_HEEDED = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """As a context manager, takes note of signals instead of dying of them.

    Args:
        max_over_workers: see `Devices.max_over_workers`: what one of several workers is told, all of them are.
    """

    def __init__(self, max_over_workers: Callable[[float], float]) -> None:
        self.received = 0
        self._max_over_workers = max_over_workers
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
        self.received = int(self._max_over_workers(self.received))
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


def exit_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Handles SIGTERM before training begins: prints one line and exits at once, whatever other threads wait for.

    The default action of the system is no replacement: the first process of a container gets no signal without a
    handler. Neither is an exception: a module that is being imported could catch it.
    """
    del frame
    signal.signal(number, signal.SIG_IGN)  # a second signal must not print the line again
    text = f"stopped by {signal.Signals(number).name} before any step was taken: the same command begins again\n"
    os.write(2, text.encode())
    os._exit(128 + number)
