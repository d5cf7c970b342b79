"""Tables of a row a step, which go on where a run does: `history.csv` and `speed.csv`."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from trainer.model_dir.folder import read_file
from trainer.model_dir.writing import atomic_replace, write_errors


class StepTable:
    """Appends to a CSV whose first column is the step; rows after the step that a run goes on from are cut off first.

    So that a table without times in it is the same, whether a run was killed on the way or not. A last row without its
    end of line is half of one, whatever step its digits seem to say.

    Raises:
        InputError: the system does not let it be read.
        RunFailed: the disk does not take it.
    """

    def __init__(self, path: Path, columns: Sequence[str], step: int):
        rows = read_file(path).split(b"\n")[1:-1] if path.exists() else []
        numbered = [(row.partition(b",")[0], row) for row in rows]
        kept = [row + b"\n" for number, row in numbered if number.isdigit() and int(number) <= step]
        with atomic_replace(path) as unfinished:
            unfinished.write_bytes(b"".join((",".join(columns).encode() + b"\n", *kept)))
        self._path = path

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        with write_errors(self._path), self._path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
