"""The dry run: everything that can be known of a data set without making it."""

import collections
from concurrent.futures import ThreadPoolExecutor

from pipelines.summary import Outcome
from preprocess import films
from preprocess.errors import RejectedFilm
from preprocess.log import Log
from preprocess.plan import Film, Plan
from preprocess.recipe import MeasuredFilm
from preprocess.resize import Size
from preprocess.schema import Omission

HEADER_THREADS = 16


def rehearse(plan: Plan, input_root: str, canvas: Size | None, max_pixels: int, log: Log) -> Outcome:
    """Reads the header of every planned film, in threads. Writes nothing.

    Args:
        canvas: (height, width) where the options give one.
        max_pixels: how many a film may have.
    """

    def measure(film: Film) -> MeasuredFilm | Omission:
        try:
            return films.measure(film, input_root, max_pixels)
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
        named=plan.named,
        matched=plan.matched,
        spare=len(plan.spare),
        overlap=len(plan.overlap),
    )
