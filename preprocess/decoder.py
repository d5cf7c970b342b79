"""The helper process that decodes films for a worker: `python -m preprocess.decoder`.

It reads tasks from standard input, one a line, and answers each on standard output with the small image or with what
was raised. It ends when standard input does, which is when its worker closes it or is gone. See `helper`, the
worker's side of it.
"""

import os
import resource
import signal
from typing import BinaryIO

from preprocess.decoding import open_task
from preprocess.errors import InputError, RejectedFilm, RunFailed
from preprocess.helper import MEMORY_BYTES, READY, Answer, Task
from preprocess.resize import pad_and_resize


def main() -> None:
    """Serves one worker until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the worker says when this one ends
    tasks, answers = _take_pipes()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the film
    _limit(resource.RLIMIT_AS, _address_space() + MEMORY_BYTES)
    answers.write(READY)
    answers.flush()
    for line in tasks:
        answer = _answer(Task.from_line(line))
        answers.write(bytes(answer))
        answers.flush()
        if answer.error == MemoryError.__name__:
            return  # what is left of the memory is in pieces; the next film shall find what this one found


def _answer(task: Task) -> Answer:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + task.cpu_seconds)
    try:
        with open_task(task) as film:
            return Answer(pixels=pad_and_resize(film, task.canvas, task.size, task.method).tobytes())
    except RejectedFilm as rejected:
        return Answer("RejectedFilm", (rejected.stage, rejected.reason))
    except (InputError, RunFailed) as error:
        return Answer(type(error).__name__, (str(error),))
    except MemoryError:
        return Answer(MemoryError.__name__)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the worker; in their place stands the null device, for whatever a decoder reads or prints."""
    pipes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return pipes


def _limit(what: int, most: int) -> None:
    """Sets a soft limit; the hard one stays, so that it can be set again for the next film."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _address_space() -> int:
    """Bytes of address space that this process has now; where the system does not tell, a gigabyte."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except FileNotFoundError:
        return 1 << 30


if __name__ == "__main__":
    main()
