"""Formats metrics as the text that a run prints."""

from collections.abc import Iterator
from typing import Protocol

from trainer.results.bootstrap import Estimate
from trainer.results.metric_values import Metrics

_WIDTH = 36  # of the first column


class _Scored(Protocol):
    @property
    def accuracy(self) -> Estimate: ...
    @property
    def kappa(self) -> Estimate: ...


def format_metrics(found: Metrics) -> str:
    """Formats the metrics as tables: the model, its confusion matrix, breasts and patients, subgroups, baselines."""
    parts = ["\n".join(lines) for lines in (_model(found), _confusion(found), _scores(found))]
    if found.beats_best_baseline:
        parts.append(f"The model {found.beats_best_baseline.sentence}.")
    return "\n\n".join(parts)


def _model(found: Metrics) -> Iterator[str]:
    calibration = found.calibration
    how = "not calibrated" if calibration.temperature == 1 else f"temperature {calibration.temperature:.3f}"
    yield f"{'accuracy':{_WIDTH}}{format_interval(found.accuracy)}"
    yield f"{'quadratic weighted kappa':{_WIDTH}}{format_interval(found.kappa)}"
    yield f"{'macro AUC, one versus rest':{_WIDTH}}{format_number(found.auc)}"
    yield f"{'cross-entropy, unweighted':{_WIDTH}}{found.loss:.3f}  (nats)"
    yield f"{'expected calibration error':{_WIDTH}}{calibration.expected_error:.3f}  ({how})"
    yield f"{'best constant guess':{_WIDTH}}{found.majority_accuracy:.3f}  (density {found.majority_category})"
    if dense := found.dense:
        yield f"{'AUC, dense (3, 4) or not (1, 2)':{_WIDTH}}{format_interval(dense.auc)}"
        if dense.sensitivity is not None and dense.specificity is not None:
            threshold = "no threshold" if dense.threshold is None else f"threshold {dense.threshold:.3f}"
            yield (
                f"{'sensitivity for dense images':{_WIDTH}}{dense.sensitivity:.3f}  (at a specificity of "
                f"{dense.specificity:.3f}, {threshold})"
            )


def _confusion(found: Metrics) -> Iterator[str]:
    yield f"{'predicted':14}" + "".join(f"{category:>7}" for category in range(1, len(found.recall) + 1)) + "   recall"
    for category, (counts, recall) in enumerate(zip(found.confusion, found.recall, strict=True), 1):
        cells = "".join(f"{count:>7,}" for count in counts)
        yield f"{f'density {category}':14}{cells}    {format_number(recall)}"
    yield f"(95 % intervals: bootstrap over {found.resampled})"


def _scores(found: Metrics) -> Iterator[str]:
    yield f"{'':{_WIDTH}}{'accuracy':24}{'kappa':25}{'AUC':5}"
    yield _row(f"model, {found.images:,} images", found, found.auc)
    for name, unit in (("breasts", found.breasts), ("patients", found.patients)):
        if unit:
            yield _row(f"  by {unit.count:,} {name}{_left_out(unit.left_out)}", unit, unit.auc)
    for attribute, groups in found.subgroups.items():
        for value, group in groups.items():
            yield _row(f"  {attribute} {value}, {group.count:,} images", group)
    for name, baseline in (found.baselines or {}).items():
        yield _row(f"baseline: {name}", baseline, baseline.auc)


def _left_out(count: int) -> str:
    return f", {count:,} left out" if count else ""


def _row(label: str, scored: _Scored, auc: float | None = None) -> str:
    cells = f"{label:{_WIDTH}}{format_interval(scored.accuracy):24}{format_interval(scored.kappa):25}"
    return (cells if auc is None else f"{cells}{auc:.3f}").rstrip()


def format_interval(estimate: Estimate) -> str:
    """Formats a metric and its interval, e.g. "0.589  [0.545, 0.632]"."""
    interval = "" if estimate.low is None else f"  [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{format_number(estimate.value)}{interval}"


def format_number(value: float | None) -> str:
    """Formats a metric; None is "undefined"."""
    return "undefined" if value is None else f"{value:.3f}"
