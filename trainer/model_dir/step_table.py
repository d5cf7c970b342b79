"""CSV tables whose first column is the step, continued by a resumed run, such as `history.csv`."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from preprocess.runtime.errors import InputError
from trainer.model_dir.folder import read_file
from trainer.model_dir.writing import atomic_replace, write_errors


class StepTable:
    """Appends rows to a CSV file. First deletes rows of an earlier run after the step from which this run continues.

    So a table without times has the same bytes, whether or not a run was interrupted. A last row without a line end is
    deleted, too: it was cut short, and its step may be the beginning of a longer number.

    Args:
        columns: the header; the first column is the step.
        step: the step from which the run continues.

    Raises:
        InputError: the file cannot be read.
        RunFailed: it cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str], step: int):
        rows = read_file(path).split(b"\n")[1:-1] if path.exists() else []
        numbered = [(row.partition(b",")[0], row) for row in rows]
        kept = [row + b"\n" for number, row in numbered if number.isdigit() and int(number) <= step]
        with atomic_replace(path) as unfinished:
            unfinished.write_bytes(b"".join((",".join(columns).encode() + b"\n", *kept)))
        self._path, self._columns = path, columns

    def rows(self) -> list[dict[str, str]]:
        """Reads all rows.

        Raises:
            InputError: the file cannot be read, or a row has another number of columns.
        """
        rows = list(csv.reader(read_file(self._path).decode(errors="replace").splitlines()[1:]))
        if any(len(row) != len(self._columns) for row in rows):
            raise InputError(f"{self._path}: is damaged (expected the columns {', '.join(self._columns)}); delete it")
        return [dict(zip(self._columns, row, strict=True)) for row in rows]

    def append_rows(self, rows: Iterable[Sequence[str]]) -> None:
        """Appends rows to the file.

        Raises:
            RunFailed: it cannot be written.
        """
        with write_errors(self._path), self._path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
