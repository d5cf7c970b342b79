"""Limits how many films are decoded at the same time by the memory that there is.

A worker of Dataflow with 8 GB has 16 threads. If all of them decoded JPEG 2000 films of the largest size at the same
time, their decoder processes would take 7.7 GB.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from preprocess.images.film_task import FilmTask
from preprocess.runtime.memory import available_memory

PROCESS_BYTES = 200 << 20
"""Resident memory of a decoder process that has decoded a film; 190 to 220 MiB were measured."""
BYTES_A_PIXEL = 10
"""Memory for one pixel while a film is decoded: 7.6 bytes were measured for JPEG 2000, at most 2.3 for others."""
SHARE = 0.5
"""Share of the memory for decoders; the rest is for workers, for idle decoder processes and for the system."""


class MemoryBudget:
    """Reservations of memory, up to a total. They are granted in the order in which they are requested.

    Args:
        total: in bytes. A larger request is granted when nothing else is reserved.
    """

    def __init__(self, total: int):
        self._total, self._used = total, 0
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Waits until `size` bytes are free, and reserves them while the context is open."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self._total)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify()


def needed_memory(task: FilmTask) -> int:
    """Returns the bytes that a decoder process takes for a film."""
    return PROCESS_BYTES + BYTES_A_PIXEL * task.film[0] * task.film[1]


def budget_of_worker() -> int:
    """Returns the bytes for the decoder processes of one worker process; there is one worker process for each core."""
    return int(SHARE * available_memory()) // (os.cpu_count() or 1)
