"""Runs functions in separate processes for measurements, started by spawn, so they share no memory."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
SPAWN = multiprocessing.get_context("spawn")


def in_new_process(function: Callable[[], T]) -> T:
    """Calls a function in a new process, because TensorFlow can be configured only once in a process."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        return process.submit(function).result()


def in_two_processes(function: Callable[[T], object], items: Iterable[T], chunk: int = 1) -> None:
    """Calls a function with every item in a plain pool of two processes; each gets `chunk` items at a time."""
    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        for _ in pool.map(function, items, chunksize=chunk):
            pass  # raises the error of a process


class InTurn:
    """A process that performs one turn of `work` whenever it is called.

    Args:
        work: performs one turn for each item of its argument.
    """

    def __init__(self, work: Callable[[Iterator[None]], None]):
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(work, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self) -> object:
        self._connection.send(None)
        return self._connection.recv()

    def __enter__(self) -> "InTurn":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(work: Callable[[Iterator[None]], None], connection: Connection) -> None:
    work(_turns(connection))


def _turns(connection: Connection) -> Iterator[None]:
    """Yields when a turn is requested, and reports its end when the next item is requested."""
    while True:
        connection.recv()
        yield
        connection.send(None)
