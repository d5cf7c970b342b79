"""Draws the plots about a model: training and validation by step, and the reliability of its probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipelines.report_page.svg import COLOURS, INK, plot, to_svg


@dataclass(frozen=True)
class Curve:
    """Values of a metric by step."""

    steps: Sequence[float]
    values: Sequence[float]


def draw_curve(
    training: Curve | None, validation: Curve | None, name: str, key: str, evaluated: tuple[int, float | None] | None
) -> str:
    """Draws a metric by step: of the training batches with their running mean, of the validations, of the evaluation.

    Args:
        training: None for a metric that is not computed for the training batches.
        validation: None without validations; with them, a vertical line marks the step of the evaluation, whose
            weights were kept.
        name: of the metric, for the axis and the label.
        key: see `to_svg`.
        evaluated: step, and value of the evaluation images or None; None if there was no evaluation.
    """
    with plot() as (figure, axes):
        if training:
            _draw_training(axes, training)
        if validation:
            axes.plot(
                validation.steps, validation.values, "o-", color=COLOURS[2], markersize=3.5, linewidth=1.4,
                label="validation",
            )  # fmt: skip
            if evaluated:
                axes.axvline(evaluated[0], color=INK, linewidth=1, linestyle=":", label=f"kept step {evaluated[0]:,}")
        if evaluated and evaluated[1] is not None:
            axes.plot(evaluated[0], evaluated[1], "D", color=COLOURS[3], markersize=5, label="evaluation")
        axes.set(xlabel="step", ylabel=name)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if training:
            axes.set_ylim(bottom=0)
        axes.legend(fontsize=9)
        return to_svg(figure, key, f"{name[0].upper()}{name[1:]} by step")


def _draw_training(axes: Axes, training: Curve) -> None:
    steps, values = training.steps, training.values
    axes.plot(steps, values, color=COLOURS[1], alpha=0.35, linewidth=0.8, label="each batch")
    window = max(1, len(values) // 20)
    if window > 1:
        mean = np.convolve(values, np.full(window, 1 / window), "valid")
        axes.plot(steps[window - 1 :], mean, color=COLOURS[1], linewidth=1.8, label=f"mean of {window}")


def draw_reliability(bins: Sequence[Mapping], key: str) -> str:
    """Draws the accuracy of each bin with images against its mean confidence; larger points have more images.

    Args:
        bins: those of `calibration` in `metrics.json`.
        key: see `to_svg`.
    """
    filled = [one for one in bins if one["count"]]
    counts = np.array([one["count"] for one in filled])
    confidences, accuracies = ([one[name] for one in filled] for name in ("confidence", "accuracy"))
    with plot() as (figure, axes):
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--", label="calibrated")
        axes.plot(confidences, accuracies, color=COLOURS[1], linewidth=1)
        sizes = 10 + 90 * counts / counts.max()
        axes.scatter(confidences, accuracies, s=sizes, color=COLOURS[1], linewidths=0, label="model")
        axes.set(xlabel="highest probability (mean)", ylabel="accuracy", xlim=(0, 1.03), ylim=(0, 1.03))
        axes.legend(loc="upper left")
        return to_svg(figure, key, "Accuracy by the highest probability")
