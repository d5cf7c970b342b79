"""What a run says: plain lines, and on a terminal a bar below them."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

T = TypeVar("T")


class Log:
    """Lines go to standard output, warnings to standard error, bars to a terminal only."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

    def say(self, text: str) -> None:
        """One line, or several."""
        self._console.print(text)
        sys.stdout.flush()

    def warn(self, text: str) -> None:
        """One line that begins with "warning"."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def bar(self, stage: str, total: int, done: int = 0) -> "Bar":
        """A bar for work that tells how far it is; use it as a context manager."""
        return Bar(self._console, stage, total, done)

    def track(self, items: Iterable[T], total: int, stage: str) -> Iterator[T]:
        """Hands the items on while a bar counts them; off a terminal a line is said at the end."""
        begin = time.monotonic()
        with self.bar(stage, total) as bar:
            for number, item in enumerate(items, 1):
                yield item
                bar.move(number)
        if not self._console.is_terminal:
            self.say(f"{stage}: {total:,} of {total:,}, {time.monotonic() - begin:.1f} s")


class Bar:
    """A progress bar; invisible where the output is no terminal."""

    def __init__(self, console: Console, stage: str, total: int, done: int):
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task: TaskID = self._progress.add_task(stage, total=total, completed=done)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def move(self, done: int) -> None:
        """Sets how much is done in all."""
        self._progress.update(self._task, completed=done)
