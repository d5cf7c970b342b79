"""Makes plots as inline SVG, with the font, text colour and width of the page, so that they suit both colour themes."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, HEIGHT = 4.2, 2.9  # inches; suits three plots in a row on a desktop and one on a phone, with unscaled text
COLOURS = {1: "#1b87c9", 2: "#1a9e77", 3: "#d9730d", 4: "#c4629b"}  # contrast >= 3:1 on white and on near-black
INK = "#123456"  # placeholder; replaced by the text colour of the page
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "page",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}


@contextmanager
def plot() -> Iterator[tuple[Figure, Axes]]:
    """Yields an empty figure and its axes; they are drawn and saved within the context, in which their style is set."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")  # pyplot keeps figures and needs a display
        axes = figure.subplots()
        axes.grid(color=INK, alpha=0.15, linewidth=0.6)
        axes.set_axisbelow(True)
        yield figure, axes


def to_svg(figure: Figure, key: str, label: str) -> str:
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
    text = text.replace(INK, "currentColor")
    return text.replace("<svg", f'<svg class="plot" role="img" aria-label="{label}"', 1)
