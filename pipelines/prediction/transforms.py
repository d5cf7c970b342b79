"""The stages of the prediction job.

films   -> ReadFilms    -> images, answers without a prediction
images  -> PredictFilms -> answers with a prediction
answers -> WriteAnswers -> the tables and the page
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from apache_beam.pvalue import AsList, TaggedOutput

from pipelines.prediction import tables
from pipelines.prediction.answers import Answer
from pipelines.prediction.film import Film
from pipelines.prediction.model_handler import DensityModel
from pipelines.prediction.read_film import FilmImage, ImageRecipe, read_film
from pipelines.report_page.thumbnails import picture
from preprocess.files import storage
from preprocess.job.in_threads import InThreads
from preprocess.runtime.errors import RejectedFilm
from trainer.data.film_statistics import FilmStatistics

READ, NOT_READ = "read", "not_read"
Key = tuple[Film, tuple[str, ...]]
"""A film, and the remarks from reading it."""


@dataclasses.dataclass
class ReadFilms(beam.PTransform):
    """Film -> (read: FilmImage, not_read: Answer).

    Attributes:
        recipe: how the images are made.
        threads: number of films at a time in each bundle.
    """

    recipe: ImageRecipe
    threads: int = 1

    def expand(self, pcoll):
        return (
            pcoll
            | "SpreadFilms" >> beam.Reshuffle()
            | "ReadFilm"
            >> beam.ParDo(InThreads(functools.partial(_read, self.recipe), _emit, self.threads)).with_outputs(
                NOT_READ, main=READ
            )
        )


@dataclasses.dataclass
class PredictFilms(beam.PTransform):
    """FilmImage -> Answer.

    Attributes:
        model_dir: the folder of the model.
        statistics: of the training images.
        pictures: whether the answers contain pictures.
    """

    model_dir: str
    statistics: FilmStatistics
    pictures: bool

    def expand(self, pcoll):
        return (
            pcoll
            | "Keyed" >> beam.Map(_keyed)
            | "Predict" >> RunInference(KeyedModelHandler(DensityModel(self.model_dir)))
            | "Answer" >> beam.MapTuple(functools.partial(_answer, self.statistics, self.pictures))
        )


@dataclasses.dataclass
class WriteAnswers(beam.PTransform):
    """Answers -> the files in the output folder, written in one call with all answers.

    Attributes:
        output: the folder, local or gs://.
        model: description of the model, for the page.
        categories: number of density categories.
    """

    output: str
    model: Sequence[tuple[str, str]]
    categories: int

    def expand(self, pcoll):
        start = pcoll.pipeline | "Once" >> beam.Create([None])
        return start | "Write" >> beam.Map(_write, self.output, self.model, self.categories, AsList(pcoll))


def _read(recipe: ImageRecipe, film: Film) -> FilmImage | Answer:
    try:
        return read_film(film, recipe)
    except RejectedFilm as rejected:
        return Answer(film, reason=rejected.reason)


def _emit(found: FilmImage | Answer) -> Iterator[FilmImage | TaggedOutput]:
    yield found if isinstance(found, FilmImage) else TaggedOutput(NOT_READ, found)


def _keyed(image: FilmImage):
    return (image.film, image.remarks), image.pixels


def _answer(statistics: FilmStatistics, pictures: bool, key: Key, result: PredictionResult) -> Answer:
    film, remarks = key
    pixels = result.example
    shown = picture(pixels, max(1, int(pixels.max())), effort=0) if pictures else ""
    probabilities = tuple(float(p) for p in result.inference)
    return Answer(film, probabilities, (*remarks, *statistics.differences(pixels)), picture=shown)


def _write(
    start: None, output: str, model: Sequence[tuple[str, str]], categories: int, answers: Sequence[Answer]
) -> None:
    del start
    from pipelines.prediction.page import render  # jinja2 is not needed before

    answers = sorted(answers, key=lambda answer: answer.film.number)
    files = tables.format_tables(answers, categories) | {tables.PAGE: render(answers, model, categories).encode()}
    with storage.output_errors(output):
        for name, content in files.items():
            storage.write(storage.join(output, name), content)
