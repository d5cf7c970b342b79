"""The stages of the Beam job, as PTransforms around the functions of `films`, `record_parts` and `assemble`.

    pieces     -> ReadPlan      -> batches of films
    batches    -> MeasureFilms  -> batches of measured films and omissions
    measured   -> LargestSize   -> the canvas
    measured   -> PrepareImages -> batches of prepared images (their PNGs staged) and omissions
    images     -> WriteDataset  -> the published data set

A batch has up to 32 films of one piece of the plan, whose files together have up to 4 MiB, or one film with larger
files, see `plan_files.read_batches`. `coders` compresses the batches. Elements contain no pixels; these stay in the
worker that reads them.
"""

import atexit
import collections
import dataclasses
import functools
import gc
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, AsSingleton

from preprocess.contract.schema import Size
from preprocess.dataset import assemble, piece_results, plan_files, publish, record_parts
from preprocess.dataset.plan_files import FilmBatch
from preprocess.dataset.recipe import MeasuredBatch, PreparedBatch, Recipe
from preprocess.dataset.record_parts import RecordFile, RecordPart
from preprocess.files import storage
from preprocess.job import copies, films
from preprocess.job.coders import register_coders
from preprocess.job.in_threads import InThreads
from preprocess.runtime.errors import RejectedFilm

# Otherwise the last garbage collection of a worker takes up to a second, for which the job waits.
atexit.register(gc.freeze)
register_coders()

Batch = TypeVar("Batch", MeasuredBatch, PreparedBatch)


@dataclasses.dataclass
class ReadPlan(beam.PTransform):
    """Path of a piece of the plan -> FilmBatch.

    Attributes:
        recipe: of the data set.
    """

    recipe: Recipe

    def expand(self, pcoll):
        return pcoll | "ReadPiece" >> beam.FlatMap(_read_piece, self.recipe).with_output_types(FilmBatch)


@dataclasses.dataclass
class MeasureFilms(beam.PTransform):
    """FilmBatch -> MeasuredBatch. Reads the header of each film, and the pixels of mammograms with several files.

    Attributes:
        input_root: a folder or gs:// prefix.
        max_pixels: the largest number of pixels that a film may have.
        threads: number of batches at a time in each bundle.
    """

    input_root: str
    max_pixels: int
    threads: int = 1

    def expand(self, pcoll):
        measure = InThreads(functools.partial(_measure, self.input_root, self.max_pixels), _emit, self.threads)
        return (
            pcoll
            | "SpreadFilms" >> beam.Reshuffle()
            | "ReadHeader" >> beam.ParDo(measure).with_output_types(MeasuredBatch)
        )


@dataclasses.dataclass
class LargestSize(beam.PTransform):
    """MeasuredBatch -> one Size, the largest height and the largest width of all films; (0, 0) if there are none."""

    def expand(self, pcoll):
        return pcoll | "Size" >> beam.Map(_size) | "Largest" >> beam.CombineGlobally(_largest)


@dataclasses.dataclass
class PrepareImages(beam.PTransform):
    """MeasuredBatch -> PreparedBatch. Stages the PNG of each image.

    Attributes:
        recipe: of the data set.
        canvas: a PCollection of one Size.
        threads: number of batches at a time in each bundle.
    """

    recipe: Recipe
    canvas: beam.PCollection
    threads: int = 1

    def expand(self, pcoll):
        prepare = InThreads(functools.partial(_prepare, self.recipe), _emit, self.threads)
        return (
            pcoll
            | "SpreadMeasured" >> beam.Reshuffle()
            | "PadAndResize" >> beam.ParDo(prepare, AsSingleton(self.canvas)).with_output_types(PreparedBatch)
        )


@dataclasses.dataclass
class WriteDataset(beam.PTransform):
    """PreparedBatch -> one JobResult. Writes the records and publishes the data set, unless too many were rejected.

    Attributes:
        recipe: of the data set.
        canvas: a PCollection of one Size.
    """

    recipe: Recipe
    canvas: beam.PCollection

    def expand(self, pcoll):
        start = pcoll.pipeline | "Start" >> beam.Create([None])
        results = AsList(
            pcoll
            | "PieceOf" >> beam.Map(_with_piece).with_output_types(tuple[str, PreparedBatch])
            | "GroupByPiece" >> beam.GroupByKey()
            | "WriteResults" >> beam.Map(piece_results.write_result, self.recipe)
        )
        records = AsList(
            start
            | "SplitIntoParts" >> beam.FlatMap(_split_into_parts, results, self.recipe)
            | "SpreadParts" >> beam.Reshuffle()
            | "WriteRecords" >> beam.Map(record_parts.write_part, self.recipe)
            | "ShardOf" >> beam.Map(_with_shard)
            | "GroupByShard" >> beam.GroupByKey()
            | "JoinParts" >> beam.Map(_join_parts, self.recipe)
        )
        done = AsList(
            start
            | "Stage" >> beam.FlatMap(_stage, results, records, AsSingleton(self.canvas), self.recipe)
            | "SpreadSteps" >> beam.Reshuffle()
            | "PerformSteps" >> beam.Map(_perform_step, self.recipe)
        )
        return start | "FinishPublication" >> beam.Map(_finish_publication, results, done, self.recipe)


def _read_piece(path: str, recipe: Recipe) -> Iterator[FilmBatch]:
    """Yields the batches of films in a piece of the plan.

    Raises:
        RunFailed: the piece cannot be read.
    """
    with storage.output_errors(recipe.output_root):
        yield from plan_files.read_batches(path)


def _measure(input_root: str, max_pixels: int, batch: FilmBatch) -> tuple[Mapping[str, int], MeasuredBatch]:
    """Returns the increments of counters, and the films with their sizes and the omissions."""
    counts: collections.Counter[str] = collections.Counter()
    measured, omissions = [], []
    for film in batch.films:
        try:
            measured.append(copies.measure(film, input_root, max_pixels))
            counts["films_measured"] += 1
        except RejectedFilm as rejected:
            omissions.append(film.omission(rejected.stage, rejected.reason))
            counts[f"films_rejected_{rejected.stage}"] += 1
    return counts, MeasuredBatch(batch.piece, tuple(measured), tuple(omissions))


def _prepare(recipe: Recipe, batch: MeasuredBatch, canvas: Size) -> tuple[Mapping[str, int], PreparedBatch]:
    """Returns the increments of counters, and the images and the omissions."""
    counts: collections.Counter[str] = collections.Counter()
    images, omissions = [], list(batch.omissions)
    for measured in batch.films:
        try:
            found = films.find_image(measured, canvas, recipe)
            images.append(found or films.prepare(measured, canvas, recipe))
            counts["images_found" if found else "images_prepared"] += 1
        except RejectedFilm as rejected:
            omissions.append(measured.film.omission(rejected.stage, rejected.reason))
            counts[f"films_rejected_{rejected.stage}"] += 1
    return counts, PreparedBatch(batch.piece, tuple(images), tuple(omissions))


def _emit(result: tuple[Mapping[str, int], Batch]) -> Iterator[Batch]:
    """Yields a batch, and increments counters, which the Dataflow console and Flink's web page show."""
    counts, batch = result
    for name, count in counts.items():
        Metrics.counter("preprocess", name).inc(count)
    yield batch


def _size(batch: MeasuredBatch) -> Size:
    return _largest((measured.height, measured.width) for measured in batch.films)


def _largest(sizes: Iterable[Size]) -> Size:
    heights, widths = zip(*sizes, (0, 0), strict=True)
    return max(heights), max(widths)


def _with_piece(batch: PreparedBatch) -> tuple[str, PreparedBatch]:
    return batch.piece, batch


def _with_shard(part: RecordFile) -> tuple[tuple[str, int], RecordFile]:
    return (part.split, part.shard), part


def _split_into_parts(_, results, recipe: Recipe) -> Iterator[RecordPart]:
    """Yields the parts of the records; none if the data set may not be published."""
    if not assemble.check_rejection_rate(results, recipe).refusal:
        yield from record_parts.split_into_parts(piece_results.in_order(results, recipe), recipe)


def _join_parts(shard_and_parts: tuple[tuple[str, int], Iterable[RecordFile]], recipe: Recipe) -> RecordFile:
    _, parts = shard_and_parts
    return record_parts.join_parts(parts, recipe)


def _stage(_, results, records, canvas: Size, recipe: Recipe) -> list[str]:
    return assemble.stage_dataset(results, records, canvas, recipe)


def _perform_step(step: str, recipe: Recipe) -> None:
    with storage.output_errors(recipe.output_root):
        publish.perform(step, recipe.output_root, recipe.staging)


def _finish_publication(_, results, done, recipe: Recipe) -> assemble.JobResult:
    del done  # this step comes after the others
    return assemble.finish_publication(results, recipe)
