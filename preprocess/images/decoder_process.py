"""The worker's side of a decoder process: starts it, sends it films, enforces the time limits, and ends it.

A process is started when it is first needed and then reused; there are as many as threads that decode at the same time.
It is started as a new program, not by fork: Beam's workers have threads, and a fork would copy locks that they hold.
`concurrent.futures.ProcessPoolExecutor` is not used, because it does not tell by which signal a process ended, and
because its processes import the main module, with Apache Beam: see docs/decisions.md.
"""

import collections
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np

from preprocess.images.film_task import FilmTask
from preprocess.runtime.errors import InputError, RejectedFilm, RunFailed

MEMORY_BYTES = 1536 << 20
"""Address space that a decoder process may use beyond that at its start.

JPEG 2000 needs the most, 11.5 bytes a pixel: 0.45 GB for the largest film of CBIS-DDSM, 1.15 GB for 100 million pixels.
"""

READY = b"ready"
"""The first message of a decoder process."""

_PROGRAM = (
    "import sys; descriptor, sys.path[:] = int(sys.argv[1]), sys.argv[2:]; "
    "from preprocess.images.decoder_main import main; main(descriptor)"
)
_START_SECONDS = 120.0
_END_SECONDS = 10.0
_STOPPED = ("SIGTERM", "SIGINT", "SIGHUP")
_ERRORS: dict[str, type[Exception]] = {error.__name__: error for error in (RejectedFilm, InputError, RunFailed)}


class DecoderDied(Exception):
    """A decoder process ended or ran out of memory while it decoded a film; the message says how."""


class DecoderProcess:
    """A process that runs `preprocess.images.decoder_main`.

    It gets this process's module path. Its standard error is discarded, because decoders quote the content of files
    there. It ends when this process ends or is killed, because the connection is closed then.

    Raises:
        RunFailed: it cannot be started.
    """

    def __init__(self) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        isolated = ["-I"] if sys.flags.isolated else []
        arguments = [str(theirs.fileno()), *(path or os.getcwd() for path in sys.path)]
        try:
            process = subprocess.Popen(
                [sys.executable, *isolated, "-c", _PROGRAM, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # each thread takes memory
            )  # fmt: skip
        except OSError as error:
            raise RunFailed(
                f"the process that decodes compressed films cannot be started ({error.strerror})"
            ) from error
        finally:
            theirs.close()
        self._process = process
        weakref.finalize(self, _end, process, self._connection)  # also called when this process exits
        if self._receive(_START_SECONDS) != READY:
            raise RunFailed(
                f"the process that decodes compressed films does not start ({_how_it_ended(process)}); "
                f"run `{sys.executable} -c 'import preprocess.images.decoder_main'` to see why"
            )

    def ask(self, task: FilmTask) -> np.ndarray | Exception:
        """Sends a film to the process and waits for the answer.

        Returns:
            (height, width) uint16, of `task.size`; or the exception that the process reports.

        Raises:
            RejectedFilm: a time limit was exceeded.
            DecoderDied: the process ended, or ran out of memory.
            RunFailed: it was stopped by a signal from outside.
        """
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(task)
        if not self._connection.poll(task.wall_seconds):
            _end(self._process, self._connection)
            raise RejectedFilm("pixels", f"reading and decoding it took more than {task.wall_seconds} s")
        answer = self._receive()
        pixels = self._receive() if answer == b"[]" else b""
        if answer is None or pixels is None:
            raise self._died(task)
        if pixels:
            return np.frombuffer(pixels, np.uint16).reshape(task.size)
        name, arguments = json.loads(answer)
        if name == MemoryError.__name__:
            raise DecoderDied(f"decoding it takes more than {MEMORY_BYTES >> 20:,} MiB of memory")
        return _ERRORS[name](*arguments)

    def _receive(self, seconds: float | None = None) -> bytes | None:
        """Returns the next message; None if the process ended or `seconds` have passed."""
        try:
            return self._connection.recv_bytes() if self._connection.poll(seconds) else None
        except (EOFError, OSError):
            return None

    def _died(self, task: FilmTask) -> Exception:
        how = _how_it_ended(self._process)
        if how in _STOPPED:
            return RunFailed(f"the process that decodes compressed films was stopped from outside ({how})")
        if how == signal.SIGXCPU.name:
            return RejectedFilm("pixels", f"decoding it took more than {task.cpu_seconds} s of CPU time")
        return DecoderDied(f"its decoder crashed ({how})")


_idle: collections.deque[DecoderProcess] = collections.deque()
"""Processes without a film. The operations of a deque are atomic, so threads need no lock."""


def take_idle() -> DecoderProcess:
    """Returns an idle process, or a new one."""
    try:
        return _idle.pop()
    except IndexError:
        return DecoderProcess()


def decode(task: FilmTask, process: DecoderProcess) -> np.ndarray:
    """Decodes a film. A process that answered is kept for the next film; one that raised is not reused.

    Returns:
        (height, width) uint16, of `task.size`.

    Raises:
        RejectedFilm, InputError, RunFailed: what the process reports.
        RejectedFilm, DecoderDied, RunFailed: see `DecoderProcess.ask`.
    """
    answer = process.ask(task)
    _idle.append(process)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _how_it_ended(process: subprocess.Popen) -> str:
    """Returns the name of the signal that ended a process, or its exit status."""
    try:
        status = process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        return "it stopped answering"
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _end(process: subprocess.Popen, connection: Connection) -> None:
    """Kills a process. A process that waits on a stalled mount cannot be killed; it is left behind."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_END_SECONDS)
    connection.close()
