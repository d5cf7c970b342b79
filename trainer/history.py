"""Tables of a row a step, which go on where a run does: `history.csv` and `speed.csv`."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from trainer.training import Steps


class StepTable:
    """Appends to a CSV whose first column is the step; rows after the step that a run goes on from are cut off first.

    So that a table without times in it is the same, whether a run was killed on the way or not.
    """

    def __init__(self, path: Path, columns: Sequence[str], step: int):
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        kept = [row for row in rows if row.partition(",")[0].isdecimal() and int(row.partition(",")[0]) <= step]
        unfinished = path.with_name(f".unfinished-{path.name}")
        unfinished.write_text("".join(f"{row}\n" for row in (",".join(columns), *kept)))
        unfinished.replace(path)
        self._path = path

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def history_rows(steps: Steps, learning_rate: float) -> Iterator[Sequence[str]]:
    """The rows of one call of the loop, with as many digits as float32 has."""
    first = steps.last - len(steps.losses) + 1
    for step, (loss, accuracy) in enumerate(zip(steps.losses, steps.accuracies, strict=True), first):
        yield str(step), _shortest(loss), _shortest(accuracy), repr(learning_rate)


def _shortest(value: np.float32) -> str:
    return np.format_float_positional(value, unique=True, trim="0")
