"""Processes that are measured, none of which lives in the memory of another."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
SPAWN = multiprocessing.get_context("spawn")


def apart(do: Callable[[], T]) -> T:
    """What a function of a module returns, in a process of its own: TensorFlow is set up but once in each."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        return process.submit(do).result()


class InTurn:
    """A process that does what `make` returned there whenever it is called; none lives in the memory of another."""

    def __init__(self, make: Callable[[], Callable[[], object]]):
        self._here, there = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(make, there), daemon=True)
        self._process.start()
        there.close()

    def __call__(self) -> object:
        self._here.send(None)
        return self._here.recv()

    def __enter__(self) -> "InTurn":
        return self

    def __exit__(self, *_: object) -> None:
        self._here.close()
        self._process.join()


def _serve(make: Callable[[], Callable[[], object]], there: Connection) -> None:
    do = make()
    while True:
        try:
            there.recv()
        except EOFError:
            return
        do()
        there.send(None)
