"""The dry run: reports what a data set would contain, without making it."""

import collections
from concurrent.futures import ThreadPoolExecutor

from pipelines.preparation.summary import Outcome
from preprocess.cases.plan import Film, Plan
from preprocess.contract.schema import Omission, Size
from preprocess.dataset.recipe import MeasuredFilm
from preprocess.job import copies
from preprocess.runtime.errors import RejectedFilm
from preprocess.runtime.log import Log

HEADER_THREADS = 16


def dry_run(plan: Plan, input_root: str, canvas: Size | None, max_pixels: int, log: Log) -> Outcome:
    """Reads the header of every planned film, in threads. Writes nothing.

    Args:
        canvas: (height, width) in pixels; None for the largest film.
        max_pixels: the largest number of pixels that a film may have.
    """

    def measure(film: Film) -> MeasuredFilm | Omission:
        try:
            return copies.measure(film, input_root, max_pixels)
        except RejectedFilm as rejected:
            return film.omission(rejected.stage, rejected.reason)

    with ThreadPoolExecutor(HEADER_THREADS) as threads:
        done = list(log.track(threads.map(measure, plan.films), len(plan.films), "measuring films"))
    measured = [entry for entry in done if isinstance(entry, MeasuredFilm)]
    largest = (max((m.height for m in measured), default=0), max((m.width for m in measured), default=0))
    return Outcome(
        counts=collections.Counter((m.film.split, m.film.density) for m in measured),
        omissions=[*plan.omissions, *(entry for entry in done if isinstance(entry, Omission))],
        canvas=canvas or largest,
        totals=plan.totals,
    )
