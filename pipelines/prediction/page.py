"""Renders `predictions.html`: the films with their probabilities, and a line for each breast and patient."""

import collections
from collections.abc import Sequence

from pipelines.prediction.answers import Answer, breasts_of, patients_of
from pipelines.report_page.page import render_page

MOST_ROWS = 5000
"""The largest number of films on the page; the tables contain all."""
MOST_FILES = 20
"""The largest number of files that are listed for a reason."""


def render(answers: Sequence[Answer], model: Sequence[tuple[str, str]], categories: int) -> str:
    """Returns one HTML page that loads no other files.

    Args:
        answers: in the order of the table.
        model: (name, value) pairs that describe the model.
        categories: number of density categories.
    """
    classified = [answer for answer in answers if answer.probabilities]
    return render_page(
        "pipelines.prediction",
        "predictions.html",
        "sort.js",
        model=model,
        films=len(answers),
        categories=range(1, categories + 1),
        classified=classified[:MOST_ROWS],
        counts=[sum(answer.density == category for answer in classified) for category in range(1, categories + 1)],
        left_out=max(0, len(classified) - MOST_ROWS),
        not_classified=_by_reason(answers),
        failed=len(answers) - len(classified),
        trained=sum("-Training_" in answer.film.name.mammogram_id for answer in classified),
        remarked=sum(bool(answer.remarks) for answer in classified),
        most_files=MOST_FILES,
        breasts=breasts_of(answers)[:MOST_ROWS],
        patients=patients_of(answers)[:MOST_ROWS],
    )


def _by_reason(answers: Sequence[Answer]) -> list[tuple[str, list[str]]]:
    """Returns (reason, files that were not classified for it) pairs, the reason of most files first."""
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for answer in answers:
        if not answer.probabilities:
            groups[answer.reason].append(answer.film.shown)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
