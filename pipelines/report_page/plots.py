"""Draws plots as inline SVG, with the font, text colour and width of the page, so that they suit both colour themes."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.report_page.thumbnails import BINS
from preprocess.contract import schema
from preprocess.dataset.tables import ImageRow

WIDTH, HEIGHT = 4.2, 2.9  # inches; suits three plots in a row on a desktop and one on a phone, with unscaled text
COLOURS = {1: "#1b87c9", 2: "#1a9e77", 3: "#d9730d", 4: "#c4629b"}  # contrast >= 3:1 on white and on near-black
DASHES = {1: "-", 2: "--", 3: "-.", 4: ":"}
SPLIT_COLOURS = {schema.TRAIN: COLOURS[1], schema.TEST: COLOURS[3]}
_INK = "#123456"  # placeholder; replaced by the text colour of the page
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "page",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
}


def draw_counts(counts: Mapping[tuple[str, int], int]) -> str:
    """Draws the number of images of each category, by split."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure()
        for shift, split in ((-0.2, schema.TRAIN), (0.2, schema.TEST)):
            values = [counts.get((split, density), 0) for density in schema.DENSITIES]
            bars = axes.bar(np.array(schema.DENSITIES) + shift, values, 0.38, color=SPLIT_COLOURS[split], label=split)
            axes.bar_label(bars, padding=1, fontsize=8)
        axes.set(xlabel="density category", ylabel="images", xticks=schema.DENSITIES)
        axes.margins(y=0.2)
        axes.legend(ncols=2, loc="upper center")
        return _svg(figure, "counts", "Images of each density category, by split")


def draw_sizes(rows: Sequence[ImageRow]) -> str:
    """Draws the height of the films against their width, in pixels."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure()
        for split in schema.SPLITS:
            sizes = sorted({(row.source_width, row.source_height) for row in rows if row.split == split})
            widths, heights = [size[0] for size in sizes], [size[1] for size in sizes]
            axes.scatter(widths, heights, s=7, alpha=0.5, linewidths=0, color=SPLIT_COLOURS[split], label=split)
        axes.set(xlabel="width of the film, pixels", ylabel="height, pixels")
        axes.legend()
        return _svg(figure, "sizes", "Heights and widths of the films")


def draw_histograms(histograms: Mapping[int, np.ndarray]) -> str:
    """Draws a histogram of the pixel values of each category; `histograms` is density -> (BINS,) shares."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure()
        edges = np.linspace(0, schema.PIXEL_MAX + 1, BINS + 1)
        for density, shares in histograms.items():
            axes.stairs(100 * shares, edges, color=COLOURS[density], linestyle=DASHES[density], label=str(density))
        axes.set(xlabel="pixel value", ylabel="% of the pixels above 0", yscale="log", xlim=(0, schema.PIXEL_MAX))
        axes.xaxis.set_major_locator(matplotlib.ticker.MultipleLocator(16384))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        figure.legend(title="density", ncols=len(histograms), loc="outside upper center")
        return _svg(figure, "histograms", "Histogram of the pixel values of each density category")


def draw_curve(
    steps: Sequence[int], values: Sequence[float], name: str, key: str, evaluated: tuple[int, float] | None
) -> str:
    """Draws a metric of the training by step, with its running mean.

    Args:
        name: of the metric, for the axis and the label.
        key: see `_svg`.
        evaluated: (step, value) of the evaluation; None if there was none.
    """
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure()
        axes.plot(steps, values, color=COLOURS[1], alpha=0.35, linewidth=0.8, label="each batch")
        window = max(1, len(values) // 20)
        if window > 1:
            mean = np.convolve(values, np.full(window, 1 / window), "valid")
            axes.plot(steps[window - 1 :], mean, color=COLOURS[1], linewidth=1.8, label=f"mean of {window}")
        if evaluated:
            axes.plot(*evaluated, "D", color=COLOURS[3], markersize=5, label="evaluation")
        axes.set(xlabel="step", ylabel=name)
        axes.set_ylim(bottom=0)
        axes.legend()
        return _svg(figure, key, f"{name.capitalize()} of the training by step")


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")  # pyplot keeps figures and needs a display
    axes = figure.subplots()
    axes.grid(color=_INK, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure, key: str, label: str) -> str:
    """Returns the figure as an <svg> element.

    Args:
        key: begins its element IDs, which must differ from those of other plots on the page.
        label: for screen readers.
    """
    stream = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(stream, format="svg", metadata=no_metadata)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would apply to the whole page
    text = re.sub(r' width="[^"]*"| height="[^"]*"', "", text, count=2)
    text = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{key}-", text)
    text = text.replace(_INK, "currentColor")
    return text.replace("<svg", f'<svg class="plot" role="img" aria-label="{label}"', 1)
