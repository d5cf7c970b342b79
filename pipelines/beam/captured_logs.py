"""Buffers the log output of the local runner; it is shown only after an unexpected failure."""

import collections
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr

_KEPT_RECORDS = 1000


@contextmanager
def capture_beam_logs(capture: bool) -> Iterator[Callable[[], None]]:
    """Buffers what Beam logs in this process and what its worker processes write to standard error.

    After an exception in the context, Beam's later messages stay hidden, too.

    Args:
        capture: False to change nothing.

    Yields:
        A function that shows what was buffered.
    """
    if not capture:
        yield lambda: None
        return
    root, records = logging.getLogger(), collections.deque[logging.LogRecord](maxlen=_KEPT_RECORDS)

    def is_shown(record: logging.LogRecord) -> bool:
        if record.name.startswith("apache_beam"):
            records.append(record)
            return False
        return True

    with tempfile.TemporaryFile("w+", errors="replace") as worker_output:

        def show() -> None:
            worker_output.seek(0)
            sys.stderr.write(worker_output.read())
            for handler in root.handlers:
                handler.removeFilter(is_shown)
                for record in records:
                    handler.handle(record)

        for handler in root.handlers:
            handler.addFilter(is_shown)
        with _inherited_standard_error(worker_output.fileno()):
            yield show
        for handler in root.handlers:  # not after a failure: workers still log while the process exits
            handler.removeFilter(is_shown)


@contextmanager
def _inherited_standard_error(descriptor: int) -> Iterator[None]:
    """Redirects the standard error of processes that are started in the context; that of this process is kept."""
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
