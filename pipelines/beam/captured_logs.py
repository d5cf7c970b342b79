"""Buffers the log output of the local runner; it is shown only after an unexpected failure."""

import collections
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass

_KEPT_RECORDS = 1000
_BEAM_FOLDER = f"{os.sep}apache_beam{os.sep}"


@dataclass(frozen=True)
class Captured:
    """What was buffered.

    Attributes:
        show: prints all of it on standard error.
        last_line: returns the last line that a worker process wrote; "" if there is none.
    """

    show: Callable[[], None] = lambda: None
    last_line: Callable[[], str] = lambda: ""


@contextmanager
def capture_beam_logs(capture: bool) -> Iterator[Captured]:
    """Buffers what Beam logs in this process and what its worker processes write to standard error.

    After an exception in the context, Beam's later messages stay hidden, too.

    Args:
        capture: False to change nothing.
    """
    if not capture:
        yield Captured()
        return
    root, records = logging.getLogger(), collections.deque[logging.LogRecord](maxlen=_KEPT_RECORDS)

    def is_shown(record: logging.LogRecord) -> bool:
        if record.name.startswith("apache_beam") or _BEAM_FOLDER in record.pathname:  # Beam also uses the root logger
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

        def last_line() -> str:
            worker_output.seek(0)
            lines = [line.strip() for line in worker_output if line.strip()]
            return lines[-1] if lines else ""

        for handler in root.handlers:
            handler.addFilter(is_shown)
        with _inherited_standard_error(worker_output.fileno()):
            yield Captured(show, last_line)
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
