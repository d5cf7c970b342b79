"""Runs a command and converts its errors and signals to messages and exit statuses."""

import gc
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from preprocess.runtime.errors import InputError, RunFailed, Stopped
from preprocess.runtime.google_machine import look_once_for_metadata_server
from preprocess.runtime.text import printable

SignalHandler = Callable[[int, FrameType | None], object]

_CONTINUES = "the same command continues from what was saved"


class _Terminated(KeyboardInterrupt):
    """SIGTERM was received; code that handles an interrupt from the keyboard handles it, too."""


def raise_terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Handles SIGTERM by an exception, so that locks are released and remote jobs are cancelled."""
    del number, frame
    raise _Terminated


@contextmanager
def on_sigterm(handler: SignalHandler) -> Iterator[None]:
    """Installs a SIGTERM handler within the context; a no-op outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_command(run: Callable[[], None], sigterm: SignalHandler = raise_terminated) -> int:
    """Runs a command and returns its exit status.

    0: done. 1: the run failed. 2: wrong input. 130 or 143: stopped by SIGINT or SIGTERM. An error is one line on
    standard error, followed by its details if it has any; this includes every OSError, such as a full disk.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that the terminal's encoding does not contain
    look_once_for_metadata_server()
    try:
        with on_sigterm(sigterm):
            run()
    except (InputError, RunFailed) as error:
        for line in (f"error: {error}", *error.details):
            print(printable(line), file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {printable(f'{where}{error.strerror or error}')}", file=sys.stderr)
        return 1
    except Stopped as stop:
        print(stop, file=sys.stderr)
        return 128 + stop.number
    except _Terminated:
        print(f"stopped by SIGTERM: {_CONTINUES}", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print(f"interrupted: {_CONTINUES}", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def exit_process(status: int) -> NoReturn:
    """Exits with a status. If the run failed, does not wait for threads of a library that still wait for an answer."""
    if status and any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    gc.freeze()  # otherwise a last garbage collection of all imported modules takes up to a second
    sys.exit(status)
