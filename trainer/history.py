"""`history.csv`: a row a step, the same whether a run was killed on the way or not."""

from pathlib import Path

import numpy as np

from trainer.training import Steps

COLUMNS = ("step", "loss", "accuracy", "learning_rate")


class History:
    """Appends to a table; rows after the step that a run goes on from are cut off first."""

    def __init__(self, path: Path, step: int, learning_rate: float):
        self._rate = learning_rate
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        kept = [row for row in rows if row.partition(",")[0].isdecimal() and int(row.partition(",")[0]) <= step]
        unfinished = path.with_name(f".unfinished-{path.name}")
        unfinished.write_text("".join(f"{row}\n" for row in (",".join(COLUMNS), *kept)))
        unfinished.replace(path)
        self._path = path

    def add(self, steps: Steps) -> None:
        """Writes the rows of one call of the loop, with as many digits as float32 has."""
        first = steps.last - len(steps.losses) + 1
        with self._path.open("a") as file:
            for step, (loss, accuracy) in enumerate(zip(steps.losses, steps.accuracies, strict=True), first):
                file.write(f"{step},{_shortest(loss)},{_shortest(accuracy)},{self._rate!r}\n")


def _shortest(value: np.float32) -> str:
    return np.format_float_positional(value, unique=True, trim="0")
