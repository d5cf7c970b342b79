"""What long work says while it goes on: a line that renews itself on a terminal, now and then a line in a log."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

LOG_SECONDS = 30.0


class Progress:
    """Shows how far a stage is, as `count()` tells it, for as long as the `with` block lasts.

    Args:
        stage: its name.
        total: how many images there are.
        count: how many are done; called from a thread of its own.
        stream: standard error unless given.
        look_seconds: how often to count.
    """

    def __init__(
        self,
        stage: str,
        total: int,
        count: Callable[[], int],
        stream: TextIO | None = None,
        look_seconds: float = 1.0,
    ):
        self._stage, self._total, self._count = stage, total, count
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._look_seconds = look_seconds
        self._begin = time.monotonic()
        self._done = 0
        self._first: tuple[float, int] | None = None  # when the first images were seen, and how many
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._ended.set()
        self._thread.join()
        if kind is None:
            done, elapsed = self._look(), time.monotonic() - self._begin
            self._say(line(self._stage, done, self._total, elapsed), last=True)
        elif self._terminal:
            self._stream.write("\n")

    def settle(self, done: int) -> None:
        """Sets the number that the last line shows, where it is known better than by counting."""
        self._done = done
        self._count = lambda: done

    def _watch(self) -> None:
        said = self._begin
        while not self._ended.wait(self._look_seconds):
            now, done = time.monotonic(), self._look()
            if done and self._first is None:
                self._first = (now, done)
            if self._terminal or now - said >= LOG_SECONDS:
                said = now
                seen_at, seen = self._first or (now, done)
                self._say(line(self._stage, done, self._total, now - self._begin, done - seen, now - seen_at))

    def _look(self) -> int:
        self._done = max(self._done, self._count())  # what is done may be moved on by a later stage
        return self._done

    def _say(self, text: str, last: bool = False) -> None:
        ending = "" if self._terminal and not last else "\n"
        self._stream.write(f"\r\x1b[2K{text}{ending}" if self._terminal else f"{text}{ending}")
        self._stream.flush()


def line(stage: str, done: int, total: int, elapsed: float, recent: int = 0, seconds: float = 0) -> str:
    """One line of progress.

    Args:
        elapsed: seconds since the stage began.
        recent, seconds: images done since the first ones were seen, and the seconds that took; from them come the
            rate and the time left.
    """
    text = f"{stage}: {done:,} of {total:,} images"
    if done < total and recent and seconds:
        rate = recent / seconds
        return f"{text}, {rate:,.1f} images/s, {_duration((total - done) / rate)} left"
    return f"{text}, {_duration(elapsed)}"


def _duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return (
        f"{hours}:{minute:02d}:{second:02d} h" if hours else f"{minute}:{second:02d} min" if minute else f"{second} s"
    )
