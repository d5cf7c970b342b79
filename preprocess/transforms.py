"""The stages of the Beam job. Each only sequences functions of the modules below it.

    films      -> MeasureFilms  -> measured films, omissions
    measured   -> LargestSize   -> the canvas
    measured   -> PrepareImages -> prepared images (their PNGs staged), omissions
    images     -> WriteDataset  -> the published data set

Elements are descriptions of a few hundred bytes; pixels never leave the worker that read them.
"""

import atexit
import dataclasses
import gc
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from preprocess import films, publish
from preprocess.errors import RejectedFilm
from preprocess.plan import Film
from preprocess.recipe import MeasuredFilm, PreparedImage, Recipe, RecordPart
from preprocess.resize import Size
from preprocess.schema import Omission

atexit.register(gc.freeze)  # a worker would look through all it imported before it ends, and the job waits for it

KEPT, OMITTED = "kept", "omitted"
Omitted: TypeAlias = TaggedOutput[Literal["omitted"], Omission]


@dataclasses.dataclass
class MeasureFilms(beam.PTransform):
    """Film -> (kept: MeasuredFilm, omitted: Omission), by the header alone."""

    input_root: str
    max_pixels: int

    def expand(self, pcoll):
        return (
            pcoll
            | "SpreadFilms" >> beam.Reshuffle()
            | "ReadHeader" >> beam.FlatMap(_measure, self.input_root, self.max_pixels).with_outputs(OMITTED, main=KEPT)
        )


@dataclasses.dataclass
class LargestSize(beam.PTransform):
    """MeasuredFilm -> one Size, the largest height and the largest width; (0, 0) where there is no film."""

    def expand(self, pcoll):
        return pcoll | "Size" >> beam.Map(_size) | "Largest" >> beam.CombineGlobally(_largest)


@dataclasses.dataclass
class PrepareImages(beam.PTransform):
    """MeasuredFilm -> (kept: PreparedImage, omitted: Omission), one film at a time.

    Attributes:
        canvas: a PCollection of one Size.
    """

    recipe: Recipe
    canvas: beam.PCollection

    def expand(self, pcoll):
        return (
            pcoll
            | "SpreadMeasured" >> beam.Reshuffle()
            | "PadAndResize"
            >> beam.FlatMap(_prepare, self.recipe, AsSingleton(self.canvas)).with_outputs(OMITTED, main=KEPT)
        )


@dataclasses.dataclass
class WriteDataset(beam.PTransform):
    """PreparedImage -> one Verdict, when the data set is published or refused.

    Attributes:
        omissions: a PCollection of every Omission.
        canvas: a PCollection of one Size.
    """

    recipe: Recipe
    omissions: beam.PCollection
    canvas: beam.PCollection

    def expand(self, pcoll):
        start = pcoll.pipeline | "Start" >> beam.Create([None])
        images, omissions = AsList(pcoll), AsList(self.omissions)
        parts = (
            start
            | "SplitIntoParts" >> beam.FlatMap(_split_into_parts, images, omissions, self.recipe)
            | "SpreadParts" >> beam.Reshuffle()
            | "WriteRecords" >> beam.Map(publish.write_part, self.recipe)
        )
        return start | "Publish" >> beam.Map(
            _publish, images, omissions, AsList(parts), AsSingleton(self.canvas), self.recipe
        )


def _measure(film: Film, input_root: str, max_pixels: int) -> Iterator[MeasuredFilm | Omitted]:
    try:
        yield films.measure(film, input_root, max_pixels)
        _count("films_measured")
    except RejectedFilm as rejected:
        _count(f"films_rejected_{rejected.stage}")
        yield TaggedOutput(OMITTED, film.omission(rejected.stage, rejected.reason))


def _prepare(measured: MeasuredFilm, recipe: Recipe, canvas: Size) -> Iterator[PreparedImage | Omitted]:
    try:
        if image := films.find(measured, canvas, recipe):
            _count("images_found")
        else:
            image = films.prepare(measured, canvas, recipe)
            _count("images_prepared")
        yield image
    except RejectedFilm as rejected:
        _count(f"films_rejected_{rejected.stage}")
        yield TaggedOutput(OMITTED, measured.film.omission(rejected.stage, rejected.reason))


def _size(measured: MeasuredFilm) -> Size:
    return measured.height, measured.width


def _largest(sizes: Iterable[Size]) -> Size:
    heights, widths = zip(*sizes, (0, 0), strict=True)
    return max(heights), max(widths)


def _split_into_parts(_, images, omissions, recipe: Recipe) -> Iterator[RecordPart]:
    return publish.split_into_parts(images, omissions, recipe)


def _publish(_, images, omissions, parts, canvas: Size, recipe: Recipe) -> publish.Verdict:
    return publish.publish(images, omissions, parts, canvas, recipe)


def _count(name: str) -> None:
    Metrics.counter("preprocess", name).inc()
