"""What the local runner says of a failure, kept until it is wanted: some tracebacks for what is one line."""

import collections
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr

_KEPT_RECORDS = 1000


@contextmanager
def held_back(hold: bool) -> Iterator[Callable[[], None]]:
    """Keeps what Beam logs in this process, and what its worker processes write to standard error.

    After a failure, what it logs stays hidden.

    Yields:
        A function that shows it.
    """
    if not hold:
        yield lambda: None
        return
    root, records = logging.getLogger(), collections.deque[logging.LogRecord](maxlen=_KEPT_RECORDS)

    def is_shown(record: logging.LogRecord) -> bool:
        if record.name.startswith("apache_beam"):
            records.append(record)
            return False
        return True

    with tempfile.TemporaryFile("w+", errors="replace") as of_workers:

        def show() -> None:
            of_workers.seek(0)
            sys.stderr.write(of_workers.read())
            for handler in root.handlers:
                handler.removeFilter(is_shown)
                for record in records:
                    handler.handle(record)

        for handler in root.handlers:
            handler.addFilter(is_shown)
        with _inherited_standard_error(of_workers.fileno()):
            yield show
        for handler in root.handlers:  # not after a failure: workers go on speaking while the process ends
            handler.removeFilter(is_shown)


@contextmanager
def _inherited_standard_error(descriptor: int) -> Iterator[None]:
    """Gives the processes that are started another standard error; what this one says still goes where it went."""
    with os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as own:
        streams = [h for h in logging.getLogger().handlers if getattr(h, "stream", None) is sys.stderr]
        before = sys.stderr
        before.flush()
        os.dup2(descriptor, 2)
        for handler in streams:
            handler.stream = own  # type: ignore[attr-defined]
        try:
            with redirect_stderr(own):
                yield
        finally:
            own.flush()
            os.dup2(own.fileno(), 2)
            for handler in streams:
                handler.stream = before  # type: ignore[attr-defined]
