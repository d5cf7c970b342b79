"""The result of one training of a search, in `result.json`: its best validation, or why it diverged."""

import csv
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from preprocess.files import storage
from preprocess.runtime.errors import RunFailed

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Result:
    """The best validation of one training: the highest kappa, and of equal kappas the lowest loss.

    Attributes:
        step: of the validation; 0 if the training diverged.
        loss, accuracy, quadratic_weighted_kappa, macro_auc: see `trainer.results.scores`; NaN if undefined.
        failure: why the training diverged; "" if it did not.
    """

    step: int
    loss: float = math.nan
    accuracy: float = math.nan
    quadratic_weighted_kappa: float = math.nan
    macro_auc: float = math.nan
    failure: str = ""

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Reads a `result.json`.

        Raises:
            RunFailed: it is damaged.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise RunFailed(f"{path}: is damaged; delete its folder and run the same command") from error

    def write(self, path: Path) -> None:
        """Writes a `result.json`, atomically."""
        storage.write(str(path), (json.dumps(asdict(self)) + "\n").encode())


def read_best(path: Path) -> Result:
    """Returns the row of a `validation.csv` with the highest kappa, and of these the one with the lowest loss.

    Raises:
        RunFailed: the file is missing or damaged.
    """
    try:
        with path.open(newline="") as file:
            rows = [
                Result(
                    step=int(row["step"]),
                    loss=float(row["loss"]),
                    accuracy=float(row["accuracy"]),
                    quadratic_weighted_kappa=float(row["quadratic_weighted_kappa"]),
                    macro_auc=float(row["macro_auc"]),
                )
                for row in csv.DictReader(file)
            ]
        return max(rows, key=lambda row: (_or_lowest(row.quadratic_weighted_kappa), -row.loss))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFailed(f"{path}: is missing or damaged; delete this folder and run the same command") from error


def _or_lowest(value: float) -> float:
    return -math.inf if math.isnan(value) else value
