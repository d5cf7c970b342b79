"""How things are timed here: side by side, round by round: what the machine does meanwhile befalls all alike."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        goal: what is compared, e.g. "one film, area / open().read()".
        ours, peer: as measured, with their unit; `peer` is empty where a figure stands for itself.
        value: what the bound is about: mostly a ratio.
        bound: "<= 0.5", ">= 25"; empty where nothing is asked.
        unit: of the value, where it is no ratio.
    """

    goal: str
    ours: str
    peer: str
    value: float
    bound: str = ""
    unit: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the value is within its bound; None without one."""
        if not self.bound:
            return None
        sign, limit = self.bound.split()
        return self.value <= float(limit) if sign == "<=" else self.value >= float(limit)


class Times:
    """Seconds of things that took turns.

    Attributes:
        seconds: name -> one figure a round.
    """

    def __init__(self, seconds: Mapping[str, Sequence[float]]):
        self.seconds = seconds

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, peer: str) -> float:
        """The median of the ratios of each round."""
        pairs = zip(self.seconds[name], self.seconds[peer], strict=True)
        return statistics.median(own / other for own, other in pairs)


def side_by_side(things: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> Times:
    """Times each thing once a round, every round beginning with another one, after a round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    names = list(things)
    for name in names:
        things[name]()
    for number in range(rounds):
        shift = number % len(names)
        for name in (*names[shift:], *names[:shift]):
            seconds[name].append(took(things[name]))
    return Times(seconds)


def took(do: Callable[[], object]) -> float:
    """How many seconds something takes, once."""
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def command(module: str, *words: object) -> None:
    """Runs a command of the project as its user would."""
    subprocess.run([sys.executable, "-m", module, *map(str, words)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


def program(text: str) -> None:
    """Runs a program in a Python that does nothing else."""
    subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=True)
