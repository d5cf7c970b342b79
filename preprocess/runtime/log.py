"""Progress output of a command: lines, and on a terminal also progress bars below them.

Lines go to standard output, warnings to standard error. If the output is not a terminal, a line every half minute
replaces the progress bar.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)  # fmt: skip

from preprocess.runtime.errors import RunFailed
from preprocess.runtime.text import format_duration, printable

T = TypeVar("T")
_COUNTING = 0.02  # the largest share of time that is spent on counting
LINE_SECONDS = 30.0
PENDING, RUNNING, DONE, FAILED = "·", "▸", "✓", "✗"


class Log:
    """The output of one command, shared by all its parts."""

    def __init__(self, console: Console | None = None):
        self._console = console or Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._stages = Progress(TextColumn("{task.fields[mark]} {task.description}", markup=False), TimeElapsedColumn())
        self._bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self._rows: dict[str, TaskID] = {}
        self._users = 0
        self._live: Live | None = None

    def info(self, text: str) -> None:
        """Prints one or more lines."""
        self._console.print("\n".join(map(printable, text.split("\n"))))
        self._console.file.flush()

    def warning(self, text: str) -> None:
        """Prints one line that begins with "warning" on standard error."""
        print(f"warning: {printable(text)}", file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, stage: str, total: int, done: int = 0) -> Iterator["Bar"]:
        """Shows a bar on a terminal only, for work that prints its own lines."""
        with self._display():
            bar = Bar(self._bars, stage, total, done)
            yield bar
            bar.end(remove=bool(self._rows))

    @contextmanager
    def progress(self, stage: str, total: int) -> Iterator["Bar"]:
        """Shows a bar on a terminal; otherwise prints a line every half minute, and one at the end."""
        print_line = None if self._console.is_terminal else self.info
        with self._display():
            bar = Bar(self._bars, stage, total, 0, print_line)
            yield bar
            bar.end(remove=bool(self._rows))

    def track(self, items: Iterable[T], total: int, stage: str) -> Iterator[T]:
        """Yields the items and counts them on a bar."""
        with self.progress(stage, total) as bar:
            for number, item in enumerate(items, 1):
                yield item
                bar.move(number)

    @contextmanager
    def watch(self, stage: str, total: int, count: Callable[[], int], interval: float = 1.0) -> Iterator["Bar"]:
        """Shows a bar whose position a thread gets from `count` every `interval` seconds.

        If counting takes longer than 2 % of that, it is done less often, so that it takes 2 % of the time.
        The bar never moves back, even if a later stage moves the counted files elsewhere.
        """
        ended = threading.Event()

        def update() -> None:
            wait = interval
            while not ended.wait(wait):
                begin = time.monotonic()
                with suppress(RunFailed, OSError):  # a failed count is skipped
                    bar.move(max(bar.done, count()))
                wait = next_wait(interval, time.monotonic() - begin)

        with self.progress(stage, total) as bar:
            thread = threading.Thread(target=update, name="progress", daemon=True)
            thread.start()
            try:
                yield bar
            finally:
                ended.set()
                thread.join()
            if not bar.is_settled:
                with suppress(RunFailed, OSError):
                    bar.move(max(bar.done, count()))

    @contextmanager
    def plan(self, stages: Sequence[str]) -> Iterator[None]:
        """Shows the stages of a run with their states and times while the context is open."""
        with self._display():
            self._rows = {name: self._stages.add_task(name, total=1, start=False, mark=PENDING) for name in stages}
            try:
                yield
            finally:
                self._rows = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Marks one stage of the plan as running while the context is open."""
        begin, row = time.monotonic(), self._rows[name]
        title = f"stage {list(self._rows).index(name) + 1} of {len(self._rows)}, {name}"
        self.info(f"\n{title}")
        self._stages.start_task(row)
        self._stages.update(row, mark=RUNNING)
        try:
            yield
        except BaseException:
            self._stages.stop_task(row)
            self._stages.update(row, mark=FAILED)
            raise
        self._stages.update(row, completed=1, mark=DONE)
        self.info(f"{title}: done, {format_duration(time.monotonic() - begin)}")

    @contextmanager
    def _display(self) -> Iterator[None]:
        """Keeps the bars on the terminal while at least one user needs them."""
        if not self._users and self._console.is_terminal:
            self._live = Live(Group(self._stages, self._bars), console=self._console)
            self._live.start()
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._clear()

    def _clear(self) -> None:
        if self._live:
            self._live.stop()  # the last state of the bars stays on the terminal
            self._live = None
        for rows in (self._stages, self._bars):
            for task in rows.task_ids:
                rows.remove_task(task)


class Bar:
    """The progress of one piece of work.

    Args:
        print_line: called with a line every half minute and at the end; None for no lines.

    Attributes:
        done: how much of the total is done.
        is_settled: whether `settle` has set the final number.
    """

    def __init__(
        self, rows: Progress, stage: str, total: int, done: int, print_line: Callable[[str], None] | None = None
    ):
        self._rows, self._stage, self._total, self._print_line = rows, stage, total, print_line
        self._task = rows.add_task(stage, total=total, completed=done)
        self._begin = self._last_line = time.monotonic()
        self._first: tuple[float, int] | None = None  # time and amount at the first sign of progress
        self.done = done
        self.is_settled = False

    def settle(self, done: int) -> None:
        """Sets the final number, if it is known better than by counting."""
        self.move(done)
        self.is_settled = True

    def move(self, done: int) -> None:
        """Sets how much is done in all."""
        self.done = done
        self._rows.update(self._task, completed=done)
        now = time.monotonic()
        if self._first is None and done:
            self._first = (now, done)
        if self._print_line and now - self._last_line >= LINE_SECONDS and done < self._total:
            self._last_line = now
            first_time, first_done = self._first or (now, done)
            self._print_line(
                progress_line(self._stage, done, self._total, now - self._begin, done - first_done, now - first_time)
            )

    def end(self, remove: bool) -> None:
        """Prints the last line, and removes the bar from the terminal if `remove` is true."""
        if self._print_line:
            self._print_line(progress_line(self._stage, self.done, self._total, time.monotonic() - self._begin))
        if remove:
            self._rows.remove_task(self._task)


def next_wait(interval: float, seconds: float) -> float:
    """Returns the seconds to wait until the next count, if the last one took `seconds`."""
    return max(interval, seconds / _COUNTING)


def progress_line(stage: str, done: int, total: int, elapsed: float, recent: int = 0, recent_seconds: float = 0) -> str:
    """Formats one line of progress.

    Args:
        elapsed: seconds since the work began.
        recent, recent_seconds: how much was done since the first sign of progress, and in which time; the rate and the
            remaining time are computed from them.
    """
    text = f"{stage}: {done:,} of {total:,}"
    if done < total and recent and recent_seconds:
        rate = recent / recent_seconds
        return f"{text}, {rate:,.1f}/s, {format_duration((total - done) / rate)} left"
    return f"{text}, {format_duration(elapsed)}"
