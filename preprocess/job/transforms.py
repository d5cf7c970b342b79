"""The stages of the Beam job, as PTransforms around the functions of `films`, `record_parts` and `assemble`.

    films      -> MeasureFilms  -> measured films, omissions
    measured   -> LargestSize   -> the canvas
    measured   -> PrepareImages -> prepared images (their PNGs staged), omissions
    images     -> WriteDataset  -> the published data set

Elements are descriptions of a few hundred bytes. Pixels stay in the worker that reads them.
"""

import atexit
import dataclasses
import gc
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from preprocess.cases.plan import Film
from preprocess.contract.schema import Omission, Size
from preprocess.dataset import assemble, record_parts
from preprocess.dataset.recipe import MeasuredFilm, PreparedImage, Recipe
from preprocess.dataset.record_parts import RecordPart
from preprocess.job import films
from preprocess.runtime.errors import RejectedFilm

# Otherwise the last garbage collection of a worker takes up to a second, for which the job waits.
atexit.register(gc.freeze)

KEPT, OMITTED = "kept", "omitted"
Omitted: TypeAlias = TaggedOutput[Literal["omitted"], Omission]


@dataclasses.dataclass
class MeasureFilms(beam.PTransform):
    """Film -> (kept: MeasuredFilm, omitted: Omission). Reads only the header of each film.

    Attributes:
        input_root: a folder or gs:// prefix.
        max_pixels: the largest number of pixels that a film may have.
    """

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
    """MeasuredFilm -> one Size, the largest height and the largest width of all films; (0, 0) if there are none."""

    def expand(self, pcoll):
        return pcoll | "Size" >> beam.Map(_size) | "Largest" >> beam.CombineGlobally(_largest)


@dataclasses.dataclass
class PrepareImages(beam.PTransform):
    """MeasuredFilm -> (kept: PreparedImage, omitted: Omission). Stages the PNG of each image.

    Attributes:
        recipe: of the data set.
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
    """PreparedImage -> one JobResult. Writes the records and publishes the data set, unless too many were rejected.

    Attributes:
        recipe: of the data set.
        omissions: a PCollection of all omissions.
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
            | "WriteRecords" >> beam.Map(record_parts.write_part, self.recipe)
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
        if image := films.find_staged(measured, canvas, recipe):
            _count("images_found_staged")
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
    """Yields the parts of the records; none if the data set may not be published."""
    if not assemble.check_rejection_rate(images, omissions, recipe).refusal:
        yield from record_parts.split_into_parts(images, recipe)


def _publish(_, images, omissions, parts, canvas: Size, recipe: Recipe) -> assemble.JobResult:
    return assemble.publish_dataset(images, omissions, parts, canvas, recipe)


def _count(name: str) -> None:
    """Increments a counter, which the Dataflow console and Flink's web page show."""
    Metrics.counter("preprocess", name).inc()
