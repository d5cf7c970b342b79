"""Starts the worker processes of the local runner from any path, and describes how one of them ended."""

import shlex
import signal
import sys

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import SubprocessSdkWorkerHandler, WorkerHandler

from preprocess.runtime.errors import RunFailed


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class QuotedWorkerHandler(SubprocessSdkWorkerHandler):
    """Replaces Beam's handler of a worker process: its command is correct for an interpreter with any path.

    Beam inserts the path of the interpreter into a shell command without quotes, so a path with a space is cut there.
    """

    def __init__(self, worker_command_line: bytes, *others: object):
        super().__init__(quote_interpreter(worker_command_line.decode(), sys.executable).encode(), *others)


def quote_interpreter(command: str, interpreter: str) -> str:
    """Quotes the interpreter at the start of a shell command; any other command is returned unchanged.

    With `exec`, the shell does not remain between this process and the worker, so the exit status is the worker's own.
    """
    if not command.startswith(f"{interpreter} "):
        return command
    return f"exec {shlex.quote(interpreter)}{command.removeprefix(interpreter)}"


def lost_worker(status: int | None, last_line: str) -> RunFailed:
    """Returns the error for a worker process that ended before its work did.

    Args:
        status: its exit status, or minus the number of the signal that ended it; None if it is not known.
        last_line: what worker processes wrote last; "" if they wrote nothing.
    """
    if status is None:
        how = "ended before its work did"
    else:
        how = f"was killed by {_signal_name(-status)}" if status < 0 else f"ended with status {status}"
    if status == -signal.SIGKILL:
        hint = "`dmesg` shows whether the system was out of memory"
    else:
        hint = f"the last line from the workers is: {last_line}" if last_line else "the workers wrote no message"
    return RunFailed(f"a worker process {how}; {hint}; the same command continues with the files that are there")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
