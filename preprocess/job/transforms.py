"""The stages of the Beam job, as PTransforms around the functions of `films`, `record_parts` and `assemble`.

    films      -> MeasureFilms  -> measured films, omissions
    measured   -> LargestSize   -> the canvas
    measured   -> PrepareImages -> prepared images (their PNGs staged), omissions
    images     -> WriteDataset  -> the published data set

Elements are descriptions of a few hundred bytes. Pixels stay in the worker that reads them.
"""

import atexit
import dataclasses
import functools
import gc
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from preprocess.cases.plan import Film
from preprocess.contract.schema import Omission, Size
from preprocess.dataset import assemble, record_parts
from preprocess.dataset.recipe import MeasuredFilm, PreparedImage, Recipe
from preprocess.dataset.record_parts import RecordPart
from preprocess.job import copies, films
from preprocess.job.in_threads import InThreads
from preprocess.runtime.errors import RejectedFilm

# Otherwise the last garbage collection of a worker takes up to a second, for which the job waits.
atexit.register(gc.freeze)

T = TypeVar("T", MeasuredFilm, PreparedImage)
KEPT, OMITTED = "kept", "omitted"
Omitted: TypeAlias = TaggedOutput[Literal["omitted"], Omission]


@dataclasses.dataclass
class MeasureFilms(beam.PTransform):
    """Film -> (kept: MeasuredFilm, omitted: Omission). Reads only the header of each film.

    Attributes:
        input_root: a folder or gs:// prefix.
        max_pixels: the largest number of pixels that a film may have.
        threads: number of films at a time in each bundle.
    """

    input_root: str
    max_pixels: int
    threads: int = 1

    def expand(self, pcoll):
        return (
            pcoll
            | "SpreadFilms" >> beam.Reshuffle()
            | "ReadHeader"
            >> beam.ParDo(
                InThreads(functools.partial(_measure, self.input_root, self.max_pixels), _emit, self.threads)
            ).with_outputs(OMITTED, main=KEPT)
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
        threads: number of films at a time in each bundle.
    """

    recipe: Recipe
    canvas: beam.PCollection
    threads: int = 1

    def expand(self, pcoll):
        return (
            pcoll
            | "SpreadMeasured" >> beam.Reshuffle()
            | "PadAndResize"
            >> beam.ParDo(
                InThreads(functools.partial(_prepare, self.recipe), _emit, self.threads), AsSingleton(self.canvas)
            ).with_outputs(OMITTED, main=KEPT)
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


def _measure(input_root: str, max_pixels: int, film: Film) -> tuple[str, MeasuredFilm | Omission]:
    """Returns the name of a counter, and the measured film or why it is left out."""
    try:
        return "films_measured", copies.measure(film, input_root, max_pixels)
    except RejectedFilm as rejected:
        return f"films_rejected_{rejected.stage}", film.omission(rejected.stage, rejected.reason)


def _prepare(recipe: Recipe, measured: MeasuredFilm, canvas: Size) -> tuple[str, PreparedImage | Omission]:
    """Returns the name of a counter, and the image or why there is none."""
    try:
        if image := films.find_image(measured, canvas, recipe):
            return "images_found", image
        return "images_prepared", films.prepare(measured, canvas, recipe)
    except RejectedFilm as rejected:
        return f"films_rejected_{rejected.stage}", measured.film.omission(rejected.stage, rejected.reason)


def _emit(
    result: tuple[str, MeasuredFilm | PreparedImage | Omission],
) -> Iterator[MeasuredFilm | PreparedImage | Omitted]:
    """Yields an output, and increments a counter, which the Dataflow console and Flink's web page show."""
    counter, output = result
    Metrics.counter("preprocess", counter).inc()
    yield TaggedOutput(OMITTED, output) if isinstance(output, Omission) else output


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
