"""Handles SIGTERM and SIGINT: during training a signal is only recorded, and the run checks for it between steps.

Before training, SIGTERM ends the process at once.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from preprocess.runtime.errors import Stopped

_HANDLED = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """A context manager that records SIGTERM and SIGINT, so the run can save a checkpoint before it ends.

    A second SIGINT raises KeyboardInterrupt at once.

    Args:
        max_over_workers: see `Devices.max_over_workers`; it passes a signal that one worker received to all workers.

    Attributes:
        received: the number of the last signal, 0 before the first.
    """

    def __init__(self, max_over_workers: Callable[[float], float]) -> None:
        self.received = 0
        self._max_over_workers = max_over_workers
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Signals":
        for number in _HANDLED:
            self._before[number] = signal.signal(number, self._record)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def raise_if_signalled(self) -> None:
        """Raises `Stopped` if a signal is recorded."""
        if self.received:
            raise Stopped(self.received)

    def any_worker_signalled(self) -> bool:
        """Whether any worker has received a signal. Afterwards, the signal is recorded on all workers.

        All workers must call it at the same point.
        """
        self.received = int(self._max_over_workers(self.received))
        return bool(self.received)

    def raise_if_any_worker_signalled(self) -> None:
        """Raises `Stopped` if any worker has received a signal. All workers must call it at the same point."""
        self.any_worker_signalled()
        self.raise_if_signalled()

    def _record(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received == number == signal.SIGINT:
            raise KeyboardInterrupt  # the second one ends the run at once
        self.received = number


def exit_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Handles SIGTERM before training starts: prints one line and exits at once, without waiting for other threads.

    A handler is needed because the first process of a container receives no signal without one. The handler raises no
    exception, because a module that is being imported could catch it.
    """
    del frame
    signal.signal(number, signal.SIG_IGN)  # a second signal must not print the line again
    text = f"stopped by {signal.Signals(number).name} before training started: run the same command again\n"
    os.write(2, text.encode())
    os._exit(128 + number)
