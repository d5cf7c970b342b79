"""Computes the scores of trials as means over their folds, sorts the trials, and formats `trials.csv`."""

import csv
import io
import math
import statistics
from collections.abc import Sequence

from pipelines.tuning.drawing import Parameters
from pipelines.tuning.result import Result
from pipelines.tuning.rounds import COMPLETE, Outcome
from trainer.settings import METRICS

_LOWER_IS_BETTER = {"loss"}


def mean(results: Sequence[Result], metric: str) -> float:
    """Returns the mean of a metric over folds; NaN without folds, or if it is undefined in one."""
    values = values_of(results, metric)
    return statistics.fmean(values) if values else math.nan


def spread(results: Sequence[Result], metric: str) -> float:
    """Returns the standard deviation of a metric over folds, with n - 1; NaN with fewer than two folds."""
    values = values_of(results, metric)
    return statistics.stdev(values) if len(values) > 1 and not any(map(math.isnan, values)) else math.nan


def score(results: Sequence[Result], metric: str) -> float:
    """Returns the mean of a metric with the sign with which a higher score is better."""
    return -mean(results, metric) if metric in _LOWER_IS_BETTER else mean(results, metric)


def ranked(outcomes: Sequence[Outcome], metric: str) -> list[Outcome]:
    """Returns the trials from the best to the worst: more folds first, then the higher score, then the lower number.

    Trials with different numbers of folds are not compared by their scores, because folds differ in difficulty.
    """

    def key(outcome: Outcome) -> tuple[bool, int, float, int]:
        found = score(outcome.results, metric)
        folds = len(values_of(outcome.results, metric))
        return outcome.state != COMPLETE, -folds, math.inf if math.isnan(found) else -found, outcome.trial

    return sorted(outcomes, key=key)


def format_table(outcomes: Sequence[Outcome], trials: Sequence[Parameters], metric: str) -> bytes:
    """Formats `trials.csv`: one row for each trial, in the order of their numbers.

    The columns are the trial, its hyperparameters, the number of trained folds, the mean and the standard deviation of
    the metric, the means of the other metrics, and the state. Undefined numbers are empty.
    """
    others = [name for name in METRICS if name != metric]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    means = [f"mean_{name}" for name in others]
    writer.writerow(["trial", *trials[0], "folds", f"mean_{metric}", f"sd_{metric}", *means, "state"])
    for outcome in outcomes:
        results = outcome.results
        numbers = [mean(results, metric), spread(results, metric), *(mean(results, name) for name in others)]
        cells = ["" if math.isnan(number) else repr(number) for number in numbers]
        folds = len(values_of(results, metric))
        writer.writerow([outcome.trial, *trials[outcome.trial - 1].values(), folds, *cells, outcome.state])
    return stream.getvalue().encode()


def values_of(results: Sequence[Result], metric: str) -> list[float]:
    """Returns the values of a metric in the folds whose training did not diverge."""
    return [getattr(result, METRICS[metric]) for result in results if not result.failure]
