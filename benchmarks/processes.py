"""Processes that are measured, none of which lives in the memory of another."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
SPAWN = multiprocessing.get_context("spawn")


def apart(do: Callable[[], T]) -> T:
    """What a function of a module returns, in a process of its own: TensorFlow is set up but once in each."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        return process.submit(do).result()


def in_two_processes(do: Callable[[T], object], things: Iterable[T], at_once: int = 1) -> None:
    """A plain pool, as anybody would write it; a process gets so many things at once."""
    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        for _ in pool.map(do, things, chunksize=at_once):
            pass  # the error of a process is raised here


class InTurn:
    """A process that takes a turn of `work` whenever it is called; none lives in the memory of another."""

    def __init__(self, work: Callable[[Iterator[None]], None]):
        self._here, there = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(work, there), daemon=True)
        self._process.start()
        there.close()

    def __call__(self) -> object:
        self._here.send(None)
        return self._here.recv()

    def __enter__(self) -> "InTurn":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(work: Callable[[Iterator[None]], None], there: Connection) -> None:
    work(_turns(there))


def _turns(there: Connection) -> Iterator[None]:
    """A turn begins when it is asked for, and ends when the next one is looked for."""
    while True:
        there.recv()
        yield
        there.send(None)
