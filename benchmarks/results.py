"""Formats the results of the benchmarks as a Markdown page and as a plot."""

import datetime
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.measure import Row

LIBRARIES = ("apache-beam", "numba", "numpy", "pillow", "pydicom", "tensorflow", "keras", "opencv-python-headless")
HEAD = "| | this project | compared with | figure | goal | reached |\n|---|---|---|---|---|---|"
INTRODUCTION = """\
# Benchmarks

Written by `make bench`. The two sides of each comparison are measured alternately in one run; the figures are medians.
A figure without a unit is a ratio. The time of a command is that from its start to its end, as for a user. Absolute
figures differ from machine to machine.
"""


def text(results: dict[str, list[Row]]) -> str:
    """Returns the page: the machine, the plot and the tables; `results` is group title -> rows."""
    parts = [INTRODUCTION, _machine(), "![Every figure relative to its goal](results.png)\n"]
    parts += [f"## {title}\n\n{table(rows)}\n" for title, rows in results.items()]
    return "\n".join(parts)


def table(rows: list[Row]) -> str:
    """Formats rows as a Markdown table."""
    texts = {True: "yes", False: "**no**", None: ""}
    lines = [
        f"| {row.title} | {row.ours} | {row.peer} | {row.value:.3g} {row.unit} | {row.bound} | {texts[row.reached]} |"
        for row in rows
    ]
    return "\n".join([HEAD, *lines])


def plot(results: dict[str, list[Row]], path: Path) -> None:
    """Draws a bar for each row with a goal: the factor by which it is better than the goal, on a logarithmic axis."""
    rows = [row for group in results.values() for row in group if row.bound and row.value > 0]
    margins = [_margin(row) for row in rows]
    figure = Figure(figsize=(9, 0.34 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    colours = ["#2a6f97" if margin >= 1 else "#c8553d" for margin in margins]
    axes.barh(range(len(rows)), [margin - 1 for margin in margins], left=1, color=colours)
    axes.set_yticks(range(len(rows)), [row.title for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    ticks = (0.5, 1, 2, 5)
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.margins(y=0.01)
    axes.set_xlabel("times better than the goal")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _margin(row: Row) -> float:
    sign, limit = row.bound.split()
    return float(limit) / row.value if sign == "<=" else row.value / float(limit)


def _machine() -> str:
    try:
        model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{datetime.date.today()}, {model[1] if model else platform.processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, {versions}.\n"
    )
