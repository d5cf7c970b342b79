"""Renders `tuning.html`: the table of the trials, their plots, and the command that trains the best one."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.report_page.page import render_page
from pipelines.tuning import plots, table
from pipelines.tuning.drawing import Parameters
from pipelines.tuning.rounds import COMPLETE, Outcome
from pipelines.tuning.search import Search
from preprocess.contract import schema
from trainer.data.image_set import ImageSet
from trainer.model_dir.folder import VALIDATION_FILE

CURVES = 24  # largest number of trials whose validations are drawn


@dataclass(frozen=True)
class Row:
    """One trial on the page.

    Attributes:
        folds: number of trained folds.
        mean, spread: of the metric; NaN if undefined.
        accuracy: the mean.
        values: of the metric in each fold.
        failure: why a training diverged; "" if none did.
    """

    trial: int
    parameters: Parameters
    folds: int
    mean: float
    spread: float
    accuracy: float
    values: Sequence[float]
    state: str
    failure: str


def render(search: Search, images: ImageSet, order: Sequence[Outcome]) -> str:
    """Returns one HTML page that loads no other files.

    Args:
        images: the training images.
        order: the trials, the best first.
    """
    rows = [_row(search, outcome) for outcome in order]
    lines = [plots.Line(row.parameters, row.mean, row is rows[0], row.state == COMPLETE) for row in rows]
    return render_page(
        "pipelines.tuning",
        "tuning.html",
        search=search,
        rows=rows,
        best=rows[0],
        names=list(search.space),
        metric=search.metric,
        trainings=sum(len(outcome.results) for outcome in order),
        command=search.final_command(rows[0].trial),
        parallel=Markup(plots.draw_parallel(search.space, lines, search.metric)),
        curves=_curves(search, order[:CURVES]),
        facts=_facts(search, images),
    )


def _row(search: Search, outcome: Outcome) -> Row:
    results, metric = outcome.results, search.metric
    values = table.values_of(results, metric)
    return Row(
        outcome.trial, search.trials[outcome.trial - 1], len(values), table.mean(results, metric),
        table.spread(results, metric), table.mean(results, "accuracy"), values, outcome.state,
        next((result.failure for result in results if result.failure), ""),
    )  # fmt: skip


def _curves(search: Search, order: Sequence[Outcome]) -> list[tuple[Outcome, Markup]]:
    """Returns the trials with plots of their validations; those whose first training diverged have none."""
    column = table.METRICS[search.metric]
    found = []
    for outcome in order:
        count = sum(not result.failure for result in outcome.results)
        found.append((outcome, [_validations(search, outcome.trial, fold, column) for fold in range(count)]))
    values = [value for _, folds in found for rows in folds for _, value in rows if math.isfinite(value)]
    limits = (min(values), max(values)) if values else (0.0, 1.0)
    return [
        (outcome, Markup(plots.draw_validations(folds, search.metric, limits, f"trial-{outcome.trial}")))
        for outcome, folds in found
        if folds
    ]


def _validations(search: Search, trial: int, fold: int, column: str) -> list[tuple[int, float]]:
    """Returns the (step, value) pairs of the validations of one training."""
    with (search.folder(trial, fold) / VALIDATION_FILE).open(newline="") as file:
        return [(int(row["step"]), float(row[column])) for row in csv.DictReader(file)]


def _facts(search: Search, images: ImageSet) -> list[tuple[str, str]]:
    """Returns the (name, value) pairs that describe the search."""
    patients = len({schema.patient_in(name) for name in images.names})
    return [
        ("data set", search.data),
        ("training images", f"{len(images):,} of {patients:,} patients"),
        ("folds", str(search.folds)),
        ("trials", f"{len(search.trials):,}, " + ("a grid" if search.seed is None else f"drawn, seed {search.seed}")),
        ("compared by", f"the mean {search.metric} at the validation with the highest kappa of each fold"),
        ("options of all trials", " ".join(search.options) or "the defaults"),
    ]
