"""A process that decodes films, as its worker sees it: what is asked of it, what it answers, how it can end.

Helpers are started when they are first needed and then kept, as many as there are threads that decode at the same time.
They are never forked: Beam's workers have threads, and a fork copies the locks of those that it leaves behind.
"""

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import weakref
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from preprocess.errors import InputError, RejectedFilm, RunFailed
from preprocess.resize import Size

MEMORY_BYTES = 1536 << 20
"""Address space that a helper may take beyond what it starts with. JPEG 2000, the hungriest format, takes 11.5 bytes a
pixel: 0.45 GB for the largest film of CBIS-DDSM, 1.15 GB for one of 100 million pixels."""

_START = "import sys; sys.path[:] = sys.argv[1:]; from preprocess.decoder import main; main()"
READY = b"ready\n"
"""What a helper says first."""
_STOPPED = ("SIGTERM", "SIGINT", "SIGHUP")
_RAISED: dict[str, type[Exception]] = {error.__name__: error for error in (RejectedFilm, InputError, RunFailed)}


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be made of one film.

    Attributes:
        path: of the file, wherever it lies.
        film: (height, width) that its header said when it was measured.
        canvas, size, method: see `pad_and_resize`.
        max_pixels: see `open_film`.
    """

    path: str
    film: Size
    canvas: Size
    size: Size
    method: str
    max_pixels: int

    def line(self) -> bytes:
        return json.dumps([self.path, self.film, self.canvas, self.size, self.method, self.max_pixels]).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Task":
        path, film, canvas, size, method, max_pixels = json.loads(line)
        return cls(path, tuple(film), tuple(canvas), tuple(size), method, max_pixels)

    @property
    def cpu_seconds(self) -> int:
        """CPU time that decoding may take: 9 s, and from 9 million pixels on 1 s for each million. JPEG 2000, the
        slowest format, takes a fifth of that on a slow machine, others a hundredth: the limit ends what never would,
        not what is slow. That the machine is busy does not count.
        """
        return max(9, self.film[0] * self.film[1] // 1_000_000)


class Helper:
    """A process of `preprocess.decoder`.

    It is started with this process's module path, so that it finds the modules that are in use here; what it writes on
    standard error goes nowhere, as decoders quote the files that they fail on. Its end of the pipe closes with this
    process, however that ends, and then it ends as well.
    """

    def __init__(self) -> None:
        isolated = ["-I"] if sys.flags.isolated else []
        try:
            process = subprocess.Popen(
                [sys.executable, *isolated, "-c", _START, *(path or os.getcwd() for path in sys.path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # threads are memory
            )  # fmt: skip
        except OSError as error:
            raise RunFailed(
                f"the process that decodes compressed films cannot be started ({error.strerror})"
            ) from error
        self._process = process
        self._requests, self._answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        weakref.finalize(self, _end, process)  # also when this process ends
        if self._answers.readline() != READY:
            raise RunFailed(
                f"the process that decodes compressed films does not start ({_ending(process)}); "
                f"`{sys.executable} -m preprocess.decoder` says why"
            )

    def ask(self, task: Task) -> "Answer":
        """Has a film decoded.

        Raises:
            RejectedFilm: it takes longer than it may; so it would a second time.
            Ended: the helper came to an end over it.
            RunFailed: it was stopped from outside.
        """
        try:
            self._requests.write(task.line())
            self._requests.flush()
            answer = read_answer(self._answers)
        except (BrokenPipeError, EOFError):
            ending = _ending(self._process)
        else:
            if answer.error != MemoryError.__name__:
                return answer
            raise Ended(f"decoding it takes more than {MEMORY_BYTES >> 20:,} MiB of memory")
        if ending in _STOPPED:
            raise RunFailed(f"the process that decodes compressed films was stopped from outside ({ending})")
        if ending == signal.SIGXCPU.name:
            raise RejectedFilm("pixels", f"decoding it took more than {task.cpu_seconds} s of CPU time")
        raise Ended(f"its decoder crashed ({ending})")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a helper says of a film: one line of JSON, and `pixels` bytes after it.

    Attributes:
        error: the name of what was raised; empty where nothing was.
        words: its arguments.
        pixels: (h, w) uint16 in the byte order of the machine.
    """

    error: str = ""
    words: tuple[str, ...] = ()
    pixels: bytes = b""

    def __bytes__(self) -> bytes:
        return json.dumps([self.error, self.words, len(self.pixels)]).encode() + b"\n" + self.pixels


def read_answer(stream: BinaryIO) -> Answer:
    """The next answer of a helper.

    Raises:
        EOFError: there is none, or not all of it.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    error, words, length = json.loads(line)
    pixels = stream.read(length)
    if len(pixels) < length:
        raise EOFError
    return Answer(error, tuple(words), pixels)


class Ended(Exception):
    """A helper came to an end over a film; the message says how."""


_idle: collections.deque[Helper] = collections.deque()
"""Helpers that wait for a film. Threads need no lock for it."""


def take() -> Helper:
    """A helper that waits for a film, or a new one."""
    try:
        return _idle.pop()
    except IndexError:
        return Helper()


def decode(task: Task, helper: Helper) -> np.ndarray:
    """Has a film decoded, and keeps the helper for the next one.

    Returns:
        `task.size`, uint16.

    Raises:
        RejectedFilm, InputError, RunFailed: what the helper raised, or it took too long.
        Ended: it came to an end over the film.
        RunFailed: it was stopped from outside.
    """
    answer = helper.ask(task)
    _idle.append(helper)  # one that raised is not: nobody knows what it would say next
    if answer.error:
        raise _RAISED[answer.error](*answer.words)
    return np.frombuffer(answer.pixels, np.uint16).reshape(task.size)


def _ending(process: subprocess.Popen) -> str:
    """How a process that has closed its pipe came to an end: a signal's name, or its exit status."""
    try:
        status = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return "it stopped answering"
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _end(process: subprocess.Popen) -> None:
    """Ends a helper, whatever it is doing: it has nothing to lose."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(BrokenPipeError):  # what a film's request left in the buffer
            cast(BinaryIO, pipe).close()
