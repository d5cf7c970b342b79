"""Measures times. Compared things take turns in rounds, so that other load of the machine affects all of them."""

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
    """One row of a table.

    Attributes:
        title: what is compared, e.g. "one film, area / open().read()".
        ours, peer: the measurements with their units; `peer` is empty if there is no comparison.
        value: the figure that has a goal, usually a ratio.
        bound: the goal, e.g. "<= 0.5" or ">= 25"; empty if there is none.
        unit: of the value; empty for a ratio.
    """

    title: str
    ours: str
    peer: str
    value: float
    bound: str = ""
    unit: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the value is within its bound; None if there is none."""
        if not self.bound:
            return None
        sign, limit = self.bound.split()
        return self.value <= float(limit) if sign == "<=" else self.value >= float(limit)


class Times:
    """Measured times of several things.

    Attributes:
        seconds: name -> one time for each round.
    """

    def __init__(self, seconds: Mapping[str, Sequence[float]]):
        self.seconds = seconds

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, peer: str) -> float:
        """Returns the median over the rounds of the ratio of two times."""
        pairs = zip(self.seconds[name], self.seconds[peer], strict=True)
        return statistics.median(own / other for own, other in pairs)


def side_by_side(things: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> Times:
    """Measures each thing once a round, after a warm-up round. The thing that is first changes from round to round."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    names = list(things)
    for name in names:
        things[name]()
    for number in range(rounds):
        shift = number % len(names)
        for name in (*names[shift:], *names[:shift]):
            seconds[name].append(seconds_of(things[name]))
    return Times(seconds)


def seconds_of(function: Callable[[], object]) -> float:
    """Returns the time of one call of a function."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def command(module: str, *arguments: object) -> None:
    """Runs a command of the project as a user would."""
    subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True
    )


def program(text: str) -> None:
    """Runs a program in a new Python process."""
    subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=True)
