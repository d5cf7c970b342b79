"""Validates a model during its training, and keeps the weights with the highest kappa."""

import math
import re
from pathlib import Path

import keras
import numpy as np

from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.model_dir.folder import BEST_PREFIX, VALIDATION_COLUMNS, VALIDATION_FILE, ModelDir
from trainer.model_dir.step_table import StepTable
from trainer.model_dir.writing import atomic_replace
from trainer.results import scores
from trainer.settings import Settings

_SUFFIX = ".weights.h5"
_WEIGHTS = re.compile(rf"{re.escape(BEST_PREFIX)}\d+{re.escape(_SUFFIX)}")


class Validation:
    """The validations of one model: `validation.csv`, and the best weights in `best-<step>.weights.h5`.

    A validation is a function of the weights of its step. So a resumed run continues with the same rows and the same
    best weights as one that was not interrupted.

    Args:
        step: the step from which the run continues; later rows and weights are deleted.
    """

    def __init__(self, model_dir: ModelDir, settings: Settings, step: int, log: Log):
        self._folder, self._settings = model_dir.local, settings
        self._table = StepTable(self._folder / VALIDATION_FILE, VALIDATION_COLUMNS, step)
        for path in self._weight_files():
            if step_of(path) > step:
                path.unlink()
        if (
            self._table.rows() and not self._weight_files()
        ):  # a damaged checkpoint was skipped, and its step had the best weights
            log.warning(f"{model_dir.path}: the best weights until step {step:,} are lost; the next validation counts")
            self._table = StepTable(self._folder / VALIDATION_FILE, VALIDATION_COLUMNS, 0)

    def is_due(self, step: int) -> bool:
        """Whether the model is to be validated after a step, and was not yet."""
        is_time = step % self._settings.eval_every == 0 or step == self._settings.training_steps
        return step > 0 and is_time and step not in [int(row["step"]) for row in self._table.rows()]

    def add(self, step: int, labels: np.ndarray, logits: np.ndarray, model: keras.Model, log: Log) -> dict[str, float]:
        """Adds a row, and saves the weights if they are the best; returns the scalars for TensorBoard.

        Args:
            labels: (N,) integers, the true labels of the validation images.
            logits: (N, K) float32, the model's outputs for them.
        """
        found = scores.compute_scores(labels, logits)
        ranks = self._ranks()
        better = not ranks or _rank(found.quadratic_weighted_kappa, found.loss) > max(ranks)
        if better:
            self._save(model, step)
        self._table.append_rows([(str(step), *(repr(value) for value in found))])
        log.info(
            f"validation after step {step:,}: cross-entropy {found.loss:.4f}, accuracy {found.accuracy:.3f}, "
            f"kappa {found.quadratic_weighted_kappa:.3f}{', the best so far' if better else ''}"
        )
        return {name: value for name, value in found._asdict().items() if math.isfinite(value)}

    @property
    def is_exhausted(self) -> bool:
        """Whether the last `patience` validations were not better than one before them."""
        patience = self._settings.patience
        if not patience:
            return False
        ranks = self._ranks()
        return patience < len(ranks) and patience < len(ranks) - ranks.index(max(ranks))

    def load_best(self, model: keras.Model) -> int | None:
        """Loads the best weights into a model; returns their step, or None if there are none.

        Raises:
            InputError: the file cannot be read.
        """
        path = max(self._weight_files(), key=step_of, default=None)
        if path is None:
            return None
        try:
            model.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: cannot be read ({error}); delete it, or give --keep last") from error
        return step_of(path)

    def _ranks(self) -> list[tuple[float, float]]:
        """Returns the rank of each row."""
        return [_rank(float(row["quadratic_weighted_kappa"]), float(row["loss"])) for row in self._table.rows()]

    def _save(self, model: keras.Model, step: int) -> None:
        before = self._weight_files()
        with atomic_replace(self._folder / f"{BEST_PREFIX}{step}{_SUFFIX}") as path:
            model.save_weights(path)
        for old in before:
            if step_of(old) != step:
                old.unlink()

    def _weight_files(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if _WEIGHTS.fullmatch(path.name)]


def _rank(kappa: float, loss: float) -> tuple[float, float]:
    """Returns a number that is larger for a better validation; an undefined kappa is below all others."""
    return (-math.inf if math.isnan(kappa) else kappa), -loss


def step_of(path: Path) -> int:
    """Returns the step of a file `best-<step>.weights.h5`."""
    return int(path.name.removeprefix(BEST_PREFIX).removesuffix(_SUFFIX))
