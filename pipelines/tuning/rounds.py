"""Trains the trials fold by fold, and drops those below the median after each fold.

This is successive halving (Jamieson and Talwalkar, AISTATS 2016) with the number of folds as the budget. All trials of
a round are compared at the same time, so the result does not depend on which training ends first.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.tuning.result import Result
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log

COMPLETE, DROPPED, FAILED, RUNNING = "complete", "dropped", "failed", "running"
LEAST = 2  # so many trials are not reduced further


@dataclass(frozen=True)
class Outcome:
    """What is known about one trial.

    Attributes:
        trial: its number, from 1.
        results: of its folds, in their order.
        state: "running"; "complete": all folds are trained; "dropped": its mean was below the median; "failed": a
            training diverged.
    """

    trial: int
    results: tuple[Result, ...] = ()
    state: str = RUNNING

    def with_result(self, result: Result) -> "Outcome":
        """Returns the outcome with the result of one more fold."""
        return Outcome(self.trial, (*self.results, result), FAILED if result.failure else self.state)


def run_rounds(
    trials: int,
    folds: int,
    train: Callable[[Sequence[tuple[int, int]]], Sequence[Result]],
    score: Callable[[Sequence[Result]], float],
    report: Callable[[Sequence[Outcome]], None],
    log: Log,
) -> list[Outcome]:
    """Runs all rounds; returns the outcomes in the order of the trials.

    Args:
        trials, folds: their numbers.
        train: returns the results of (trial, fold) pairs.
        score: returns the mean of some results; the higher, the better. NaN counts as the lowest.
        report: called with the outcomes after each round.

    Raises:
        RunFailed: the trainings of all trials diverged, or `train` raised it.
    """
    outcomes = {trial: Outcome(trial) for trial in range(1, trials + 1)}
    for fold in range(folds):
        running = [trial for trial, outcome in outcomes.items() if outcome.state == RUNNING]
        log.info(f"fold {fold}: {len(running):,} trials")
        for trial, result in zip(running, train([(trial, fold) for trial in running]), strict=True):
            outcomes[trial] = outcomes[trial].with_result(result)
        scores = {trial: score(outcomes[trial].results) for trial in running if outcomes[trial].state == RUNNING}
        if not scores:
            failure = outcomes[running[-1]].results[-1].failure
            raise RunFailed(f"no trial is left: the trainings of all others on fold {fold} diverged, e.g. {failure}")
        is_last = fold == folds - 1
        for trial in scores if is_last else below_median(scores):
            outcomes[trial] = Outcome(trial, outcomes[trial].results, COMPLETE if is_last else DROPPED)
        report(list(outcomes.values()))
    return list(outcomes.values())


def below_median(scores: Mapping[int, float]) -> list[int]:
    """Returns the trials whose score is below the median of all, at most half of them; none if there are only two.

    Args:
        scores: trial -> score; NaN counts as the lowest.
    """
    if len(scores) <= LEAST:
        return []
    values = {trial: -math.inf if math.isnan(score) else score for trial, score in scores.items()}
    median = statistics.median(values.values())
    return [trial for trial, value in values.items() if value < median]
