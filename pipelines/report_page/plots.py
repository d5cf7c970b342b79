"""Draws the plots about a data set."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np

from pipelines.report_page.svg import COLOURS, plot, to_svg
from pipelines.report_page.thumbnails import BINS
from preprocess.contract import schema
from preprocess.dataset.tables import ImageRow

DASHES = {1: "-", 2: "--", 3: "-.", 4: ":"}
SPLIT_COLOURS = {schema.TRAIN: COLOURS[1], schema.TEST: COLOURS[3]}


def draw_counts(counts: Mapping[tuple[str, int], int]) -> str:
    """Draws the number of images of each category, by split."""
    with plot() as (figure, axes):
        for shift, split in ((-0.2, schema.TRAIN), (0.2, schema.TEST)):
            values = [counts.get((split, density), 0) for density in schema.DENSITIES]
            bars = axes.bar(np.array(schema.DENSITIES) + shift, values, 0.38, color=SPLIT_COLOURS[split], label=split)
            axes.bar_label(bars, padding=1, fontsize=8)
        axes.set(xlabel="density category", ylabel="images", xticks=schema.DENSITIES)
        axes.margins(y=0.2)
        axes.legend(ncols=2, loc="upper center")
        return to_svg(figure, "counts", "Images of each density category, by split")


def draw_sizes(rows: Sequence[ImageRow]) -> str:
    """Draws the height of the films against their width, in pixels."""
    with plot() as (figure, axes):
        for split in schema.SPLITS:
            sizes = sorted({(row.source_width, row.source_height) for row in rows if row.split == split})
            widths, heights = [size[0] for size in sizes], [size[1] for size in sizes]
            axes.scatter(widths, heights, s=7, alpha=0.5, linewidths=0, color=SPLIT_COLOURS[split], label=split)
        axes.set(xlabel="width of the film, pixels", ylabel="height, pixels")
        axes.legend()
        return to_svg(figure, "sizes", "Heights and widths of the films")


def draw_histograms(histograms: Mapping[int, np.ndarray]) -> str:
    """Draws a histogram of the pixel values of each category; `histograms` is density -> (BINS,) shares."""
    with plot() as (figure, axes):
        edges = np.linspace(0, schema.PIXEL_MAX + 1, BINS + 1)
        for density, shares in histograms.items():
            axes.stairs(100 * shares, edges, color=COLOURS[density], linestyle=DASHES[density], label=str(density))
        axes.set(xlabel="pixel value", ylabel="% of the pixels above 0", yscale="log", xlim=(0, schema.PIXEL_MAX))
        axes.xaxis.set_major_locator(matplotlib.ticker.MultipleLocator(16384))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        figure.legend(title="density", ncols=len(histograms), loc="outside upper center")
        return to_svg(figure, "histograms", "Histogram of the pixel values of each density category")
