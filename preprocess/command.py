"""From a command to its exit status, the same for every command of the project."""

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

from preprocess.errors import InputError, RunFailed, Stopped
from preprocess.log import printable

Answer = Callable[[int, FrameType | None], object]
"""What is done about a signal: called with its number."""

_GOES_ON = "the same command goes on, as far as anything was saved"


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: whatever holds for an interrupt from the keyboard holds for it."""


def raise_terminated(number: int, frame: FrameType | None) -> NoReturn:
    """What a command answers SIGTERM with, so that locks are let go of and jobs elsewhere are cancelled."""
    del number, frame
    raise _Terminated


@contextmanager
def on_sigterm(answer: Answer) -> Iterator[None]:
    """SIGTERM is answered so, as long as the context is open; in a thread that cannot be told of signals, as before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_status(run: Callable[[], None], sigterm: Answer = raise_terminated) -> int:
    """Runs a command: 0 done, 1 it came to nothing, 2 wrong input, 130 or 143 stopped by a signal.

    What went wrong is one line on standard error; that a disk or a store says no, wherever in the run, too.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may be of scripts that a terminal does not know
    try:
        with on_sigterm(sigterm):
            run()
    except (InputError, RunFailed) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {printable(f'{where}{error.strerror or error}')}", file=sys.stderr)
        return 1
    except Stopped as stop:
        print(stop, file=sys.stderr)
        return 128 + stop.number
    except _Terminated:
        print(f"stopped by SIGTERM: {_GOES_ON}", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print(f"interrupted: {_GOES_ON}", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def leave(status: int) -> NoReturn:
    """Ends the process, also where a run was broken off and threads of a library wait for what will not come."""
    if status and any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    gc.freeze()  # all that was imported would be looked through for cycles at the end, for as long as a second
    sys.exit(status)
