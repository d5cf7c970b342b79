"""What a command says: plain lines, and on a terminal, below them, how far it is.

Lines go to standard output, warnings to standard error. Rows that renew themselves are for terminals; a log gets a line
of them every half minute.
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

from preprocess.errors import RunFailed

T = TypeVar("T")
LOG_SECONDS = 30.0
PENDING, RUNNING, DONE, FAILED = "·", "▸", "✓", "✗"


class Log:
    """One display for everything that a command does, however many parts of it speak."""

    def __init__(self, console: Console | None = None):
        self._console = console or Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._stages = Progress(TextColumn("{task.fields[mark]} {task.description}", markup=False), TimeElapsedColumn())
        self._bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self._rows: dict[str, TaskID] = {}
        self._users = 0
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """One line, or several."""
        self._console.print("\n".join(map(printable, text.split("\n"))))
        self._console.file.flush()

    def warn(self, text: str) -> None:
        """One line that begins with "warning"."""
        print(f"warning: {printable(text)}", file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, stage: str, total: int, done: int = 0) -> Iterator["Bar"]:
        """A bar for work that says itself, in lines, how far it is; a log sees nothing of it."""
        with self._display():
            bar = Bar(self._bars, stage, total, done)
            yield bar
            bar.end(remove=bool(self._rows))

    @contextmanager
    def progress(self, stage: str, total: int) -> Iterator["Bar"]:
        """A bar, and for a log a line every half minute and one at the end."""
        lines = None if self._console.is_terminal else self.say
        with self._display():
            bar = Bar(self._bars, stage, total, 0, lines)
            yield bar
            bar.end(remove=bool(self._rows))

    def track(self, items: Iterable[T], total: int, stage: str) -> Iterator[T]:
        """Hands the items on while a bar counts them."""
        with self.progress(stage, total) as bar:
            for number, item in enumerate(items, 1):
                yield item
                bar.move(number)

    @contextmanager
    def watch(self, stage: str, total: int, count: Callable[[], int], look_seconds: float = 1.0) -> Iterator["Bar"]:
        """A bar that asks, from a thread of its own and every so often, how much is done.

        What is done may be moved on by a later stage, so that the bar never goes back.
        """
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(look_seconds):
                with suppress(RunFailed, OSError):  # a look that fails is one look less
                    bar.move(max(bar.done, count()))

        with self.progress(stage, total) as bar:
            thread = threading.Thread(target=look, name="progress", daemon=True)
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
        """Shows the stages of a run as long as it lasts: which are done, which is under way, and their times."""
        with self._display():
            self._rows = {name: self._stages.add_task(name, total=1, start=False, mark=PENDING) for name in stages}
            try:
                yield
            finally:
                self._rows = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """One stage of the plan."""
        begin, row = time.monotonic(), self._rows[name]
        title = f"stage {list(self._rows).index(name) + 1} of {len(self._rows)}, {name}"
        self.say(f"\n{title}")
        self._stages.start_task(row)
        self._stages.update(row, mark=RUNNING)
        try:
            yield
        except BaseException:
            self._stages.stop_task(row)
            self._stages.update(row, mark=FAILED)
            raise
        self._stages.update(row, completed=1, mark=DONE)
        self.say(f"{title}: done, {duration(time.monotonic() - begin)}")

    @contextmanager
    def _display(self) -> Iterator[None]:
        """Keeps the rows on the terminal while anybody needs them."""
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
            self._live.stop()  # the last state of the rows stays
            self._live = None
        for rows in (self._stages, self._bars):
            for task in rows.task_ids:
                rows.remove_task(task)


class Bar:
    """How far one piece of work is.

    Args:
        say: hears of it every half minute and at the end.

    Attributes:
        done: how much is done, of the total.
    """

    def __init__(self, rows: Progress, stage: str, total: int, done: int, say: Callable[[str], None] | None = None):
        self._rows, self._stage, self._total, self._say = rows, stage, total, say
        self._task = rows.add_task(stage, total=total, completed=done)
        self._begin = self._said = time.monotonic()
        self._first: tuple[float, int] | None = None  # when something was first seen to be done, and how much
        self.done = done
        self.is_settled = False

    def settle(self, done: int) -> None:
        """Sets how much was done in the end, where that is known better than by counting."""
        self.move(done)
        self.is_settled = True

    def move(self, done: int) -> None:
        """Sets how much is done in all."""
        self.done = done
        self._rows.update(self._task, completed=done)
        now = time.monotonic()
        if self._first is None and done:
            self._first = (now, done)
        if self._say and now - self._said >= LOG_SECONDS and done < self._total:
            self._said = now
            seen_at, seen = self._first or (now, done)
            self._say(line(self._stage, done, self._total, now - self._begin, done - seen, now - seen_at))

    def end(self, remove: bool) -> None:
        if self._say:
            self._say(line(self._stage, self.done, self._total, time.monotonic() - self._begin))
        if remove:
            self._rows.remove_task(self._task)


def line(stage: str, done: int, total: int, elapsed: float, recent: int = 0, seconds: float = 0) -> str:
    """One line of progress.

    Args:
        elapsed: seconds since the work began.
        recent, seconds: how much was done since something was first seen to be, and the seconds that took; from them
            come the rate and the time left.
    """
    text = f"{stage}: {done:,} of {total:,}"
    if done < total and recent and seconds:
        rate = recent / seconds
        return f"{text}, {rate:,.1f}/s, {duration((total - done) / rate)} left"
    return f"{text}, {duration(elapsed)}"


def printable(text: str) -> str:
    """Text that may come from the data as one line without what would move a terminal's cursor."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def duration(seconds: float) -> str:
    """Seconds for a person: "0.4 s", "12 s", "1:40 min", "4:18:20 h"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return (
        f"{hours}:{minute:02d}:{second:02d} h" if hours else f"{minute}:{second:02d} min" if minute else f"{second} s"
    )
