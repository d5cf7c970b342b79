"""The program of a decoder process: receives film tasks and returns small images, until the worker closes the pipe.

`decoder_process` is the worker's side.
"""

import json
import resource
import signal
from contextlib import suppress
from multiprocessing.connection import Connection

from preprocess.images.decoder_process import MEMORY_BYTES, READY
from preprocess.images.film_task import FilmTask, open_task
from preprocess.images.resize import pad_and_resize
from preprocess.runtime.errors import InputError, RejectedFilm, RunFailed


def main(descriptor: int) -> None:
    """Serves one worker.

    Args:
        descriptor: file descriptor of the connection to the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes; the worker ends this one
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would contain the film
    if hasattr(resource, "RLIMIT_AS"):  # on systems other than Linux, memory is not limited
        _set_soft_limit(resource.RLIMIT_AS, _address_space() + MEMORY_BYTES)
    with Connection(descriptor) as connection:
        connection.send_bytes(READY)
        while (task := _next_task(connection)) is not None:
            error, pixels = _decode(task)
            connection.send_bytes(json.dumps(error).encode())
            if not error:
                connection.send_bytes(pixels)
            elif error[0] == MemoryError.__name__:
                return  # memory is fragmented; the next film gets a new process


def _next_task(connection: Connection) -> FilmTask | None:
    try:
        return connection.recv()
    except EOFError:
        return None


def _decode(task: FilmTask) -> tuple[list, bytes]:
    """Returns the name and the arguments of an exception, or an empty list and the bytes of the small image."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _set_soft_limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + task.cpu_seconds)
    try:
        with open_task(task) as film:
            return [], pad_and_resize(film, task.canvas, task.size, task.method).tobytes()
    except RejectedFilm as rejected:
        return ["RejectedFilm", [rejected.stage, rejected.reason]], b""
    except (InputError, RunFailed) as error:
        return [type(error).__name__, [str(error)]], b""
    except MemoryError:
        return [MemoryError.__name__, []], b""


def _set_soft_limit(resource_number: int, value: int) -> None:
    """Sets a soft limit. The hard limit stays, so that the soft one can be raised for the next film."""
    _, hard = resource.getrlimit(resource_number)
    with suppress(ValueError):  # macOS has RLIMIT_AS, but does not accept every value
        resource.setrlimit(resource_number, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _address_space() -> int:
    """Returns the bytes of address space in use; 1 GiB if the system does not provide it."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except FileNotFoundError:
        return 1 << 30
