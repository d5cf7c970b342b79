"""Draws the plots of `tuning.html`: parallel coordinates of all trials, and the validations of one trial."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from pipelines.report_page.svg import COLOURS, INK, plot, to_svg
from pipelines.tuning.space import Choice, Range, Space

_DASHES = ("-", "--", "-.", ":")
BEST, OTHER, LEFT = COLOURS[3], COLOURS[1], INK  # colours of the best trial, of complete and of other trials
_AXIS_INCHES, _HEIGHT = 1.35, 3.6
_SPREAD = 0.3  # of lines that pass through the same value of a choice


@dataclass(frozen=True)
class Line:
    """One trial in the parallel coordinates.

    Attributes:
        values: hyperparameter -> value, as in a command line.
        score: the mean of the metric.
        is_best, is_complete: whether it is the best trial; whether all its folds are trained.
    """

    values: Mapping[str, str]
    score: float
    is_best: bool
    is_complete: bool


def draw_parallel(space: Space, lines: Sequence[Line], metric: str) -> str:
    """Draws each trial as a line through its values, on one axis for each hyperparameter and one for the score.

    A range has a linear or a logarithmic axis; the values of a choice have equal distances. Trials without a score
    are left out.

    Args:
        lines: the best trial first.
    """
    shown = [line for line in lines if not math.isnan(line.score)]
    low, high = min(line.score for line in shown), max(line.score for line in shown)
    with plot() as (figure, axes):
        figure.set_size_inches(_AXIS_INCHES * (len(space) + 1), _HEIGHT)
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(-0.5, len(space) + 0.5), ylim=(-0.05, 1.2))
        for place, (name, values) in enumerate(space.items()):
            _draw_axis(axes, place, name.replace("_", " "), _ticks(values))
        _draw_axis(axes, len(space), metric, [(0.0, f"{low:.3f}"), (1.0, f"{high:.3f}")] if low < high else [])
        for number, line in reversed(list(enumerate(shown))):  # the best one last, above the others
            shift = _SPREAD * (number / len(shown) - 0.5)
            heights = [_height(space[name], value, shift) for name, value in line.values.items()]
            end = (line.score - low) / (high - low) if low < high else 0.5
            colour, width, dash = (BEST, 2.6, "-") if line.is_best else (OTHER, 1.4, "-")
            if not line.is_complete:
                colour, width, dash = LEFT, 0.9, ":"
            axes.plot(range(len(space) + 1), [*heights, end], color=colour, linewidth=width, linestyle=dash)
        return to_svg(figure, "parallel", f"The hyperparameters and the mean {metric} of each trial")


def draw_validations(
    folds: Sequence[Sequence[tuple[int, float]]], metric: str, limits: tuple[float, float], key: str
) -> str:
    """Draws a metric by step, one line for each fold.

    Args:
        folds: (step, value) pairs of each fold.
        limits: the lowest and the highest value of all trials, so that plots can be compared.
        key: begins the element IDs of this plot.
    """
    with plot() as (figure, axes):
        figure.set_size_inches(2.4, 1.7)
        for number, rows in enumerate(folds):
            steps, values = [step for step, _ in rows], [value for _, value in rows]
            style = number % len(_DASHES)
            axes.plot(steps, values, color=COLOURS[style + 1], linestyle=_DASHES[style], marker="o", markersize=2.5)
        margin = 0.05 * (limits[1] - limits[0]) or 0.05
        axes.set_ylim(limits[0] - margin, limits[1] + margin)
        axes.set_xlim(left=0)
        axes.locator_params(nbins=4)
        axes.set(xlabel="step", ylabel=metric)
        return to_svg(figure, key, f"The {metric} of {len(folds)} folds by step")


def _draw_axis(axes: Axes, place: int, name: str, ticks: Sequence[tuple[float, str]]) -> None:
    axes.plot([place, place], [0, 1], color=INK, linewidth=0.8)
    axes.text(place, 1.1, name, ha="center", va="bottom", fontsize=10)
    for height, text in ticks:
        axes.plot([place - 0.03, place + 0.03], [height, height], color=INK, linewidth=0.8)
        axes.text(place + 0.05, height + 0.01, text, ha="left", va="bottom", fontsize=8.5)


def _ticks(values: Choice | Range) -> list[tuple[float, str]]:
    """Returns the (height, text) pairs of an axis; a range has three."""
    if isinstance(values, Choice):
        return [(_height(values, text), text) for text in values.values]
    middle = math.sqrt(values.low * values.high) if values.log else (values.low + values.high) / 2
    return [(height, f"{number:.3g}") for height, number in ((0.0, values.low), (0.5, middle), (1.0, values.high))]


def _height(values: Choice | Range, text: str, shift: float = 0.0) -> float:
    """Returns the height of a value on its axis, 0 to 1.

    Args:
        shift: moves a value of a choice, in units of the distance between two values, so that lines stay apart.
    """
    if isinstance(values, Choice):
        return (values.values.index(text) + 0.5 + shift) / len(values.values)
    low, high, value = values.low, values.high, float(text)
    if values.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)
