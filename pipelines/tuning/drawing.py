"""Makes the trials of a search: all combinations of a grid, or random draws from a space by Optuna."""

import itertools
from collections.abc import Mapping

import optuna

from pipelines.tuning.space import Choice, Range, Space
from preprocess.runtime.errors import InputError

Parameters = Mapping[str, str]
"""The values of one trial: hyperparameter -> value as in a command line."""
_DRAWS = 200  # for each trial that is wanted; a repeated draw is left out
_DIGITS = 4  # significant digits of a drawn number


def all_combinations(grid: Mapping[str, Choice]) -> list[Parameters]:
    """Returns all combinations of a grid; the values of the last name change first."""
    products = itertools.product(*(choice.values for choice in grid.values()))
    return [dict(zip(grid, values, strict=True)) for values in products]


def draw_trials(space: Space, count: int, seed: int) -> list[Parameters]:
    """Draws different trials at random (Bergstra and Bengio, JMLR 2012).

    The draws are a function of the seed: a larger count has the same first trials.

    Raises:
        InputError: the space has fewer combinations than `count`.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    distributions = {name: _distribution(values) for name, values in space.items()}
    trials: list[Parameters] = []
    for _ in range(_DRAWS * count):
        drawn = study.ask(distributions).params
        trial = {name: _text(drawn[name], values) for name, values in space.items()}
        if trial not in trials:
            trials.append(trial)
        if len(trials) == count:
            return trials
    raise InputError(
        f"--trials {count}: the space has only {len(trials)} different combinations; give a smaller number, or --grid"
    )


def _distribution(values: Choice | Range) -> optuna.distributions.BaseDistribution:
    if isinstance(values, Choice):
        return optuna.distributions.CategoricalDistribution(values.values)
    if values.whole:
        return optuna.distributions.IntDistribution(int(values.low), int(values.high), log=values.log)
    return optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)


def _text(drawn: str | float, values: Choice | Range) -> str:
    """Returns a drawn value as in a command line. Numbers are rounded, but stay in their range."""
    if isinstance(values, Choice) or values.whole:
        return str(drawn)
    return repr(min(max(float(f"{drawn:.{_DIGITS}g}"), values.low), values.high))
