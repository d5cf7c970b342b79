"""Compares a model with the best baseline: paired differences in kappa and accuracy, with 95 % intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainer.results.agreement import Agreement, scores_of_draws
from trainer.results.bootstrap import Estimate, estimate

BETTER, UNDECIDED, WORSE, UNDEFINED = "above 0", "contains 0", "below 0", "undefined"


@dataclass(frozen=True)
class Comparison:
    """A model compared with the baseline that has the highest kappa on the same images.

    Attributes:
        baseline: its name.
        kappa, accuracy: the value of the model minus that of the baseline. The intervals are paired: both values are
            computed from the same draws of the bootstrap.
        interval: where the interval of the difference in kappa is: "above 0", "contains 0", "below 0" or "undefined".
        beats: whether it is above 0.
        sentence: the result in words.
    """

    baseline: str
    kappa: Estimate
    accuracy: Estimate
    interval: str
    beats: bool
    sentence: str


def compare(
    model: Agreement, baselines: Mapping[str, Agreement], model_draws: np.ndarray, draws: Mapping[str, np.ndarray]
) -> Comparison:
    """Compares a model with the best of at least one baseline; the first one if several have the same kappa.

    Args:
        model_draws: (D, K * K) the confusion matrices of the draws of the model.
        draws: those of each baseline, from the same draws.
    """
    best = max(baselines, key=lambda name: _number(baselines[name].kappa.value, -math.inf))
    other = baselines[best]
    (accuracies, kappas), (other_accuracies, other_kappas) = map(scores_of_draws, (model_draws, draws[best]))
    kappa = estimate(_number(model.kappa.value) - _number(other.kappa.value), kappas - other_kappas)
    accuracy = estimate(_number(model.accuracy.value) - _number(other.accuracy.value), accuracies - other_accuracies)
    interval = _place(kappa)
    return Comparison(best, kappa, accuracy, interval, interval == BETTER, _sentence(best, kappa, interval))


def _place(difference: Estimate) -> str:
    if difference.low is None or difference.high is None:
        return UNDEFINED
    if difference.low > 0:
        return BETTER
    return WORSE if difference.high < 0 else UNDECIDED


def _sentence(baseline: str, kappa: Estimate, interval: str) -> str:
    if kappa.value is None:
        return f"cannot be compared with the best baseline ({baseline}): the difference in kappa is undefined"
    size, bounds = abs(kappa.value), f"[{kappa.low:.3f}, {kappa.high:.3f}]"
    if interval == BETTER:
        return f"beats the best baseline ({baseline}) by {size:.3f} in kappa {bounds}"
    if interval == WORSE:
        return f"is worse than the best baseline ({baseline}): the difference in kappa is {kappa.value:.3f} {bounds}"
    return (
        f"does not beat the best baseline ({baseline}): the difference in kappa is {kappa.value:.3f}, and its interval "
        f"{bounds} contains 0"
    )


def _number(value: float | None, undefined: float = math.nan) -> float:
    return undefined if value is None else value
