"""Predicts the breast density of new films with a trained model: `python -m pipelines.predict --help`."""

import argparse
import collections
import logging
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.beam import runners
from pipelines.beam.run_job import beam_errors, run_job
from pipelines.prediction import options as command_line
from pipelines.prediction import tables
from pipelines.prediction.film import Film
from pipelines.prediction.inputs import Found, find_films
from pipelines.prediction.page import MOST_ROWS
from pipelines.prediction.read_film import ImageRecipe
from preprocess.cases.diagnosis import without_variables
from preprocess.files import storage
from preprocess.files.lock import locked
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.results.model_info import ModelInfo, read_model_info

EXAMPLES = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Finds the films, runs the job, and prints the counts and the films without a prediction.

    Raises:
        InputError: the run cannot start.
        RunFailed: the job failed.
    """
    options, beam_options = command_line.parse(argv)
    info = read_model_info(options.model_dir)
    recipe = _recipe(options, info)
    found = find_films(options.input, options.output)
    runners.choose_worker_count(beam_options, len(found.films), sum(film.bytes for film in found.films))
    logging.basicConfig(level=logging.WARNING if runners.is_local(beam_options) else logging.INFO)
    with locked(options.output, "--output"):
        log.info(f"predicting {len(found.films):,} films")
        with beam_errors(beam_options):
            pipeline = _build(found.films, info, recipe, options, beam_options)
        run_job(pipeline, beam_options)
        with storage.output_errors(options.output):
            rows = list(tables.read_films(storage.read(storage.join(options.output, tables.FILMS))))
    log.info("\n".join(_summary(rows, info.categories, found)))
    names = (tables.FILMS, tables.BREASTS, tables.PATIENTS, tables.PAGE)
    log.info("\n" + "\n".join(storage.join(options.output, name) for name in names))


def _recipe(options: argparse.Namespace, info: ModelInfo) -> ImageRecipe:
    """Returns how the images are made: as those of the training, as far as that is known.

    Raises:
        InputError: neither the model nor an option gives the canvas, or the two contradict each other.
    """
    made = info.preparation
    if made is None and options.canvas is None:
        raise InputError(
            f"{options.model_dir}: was trained on images without the manifest of pipelines.preprocess, so their canvas "
            f"is not known; give --canvas <width>x<height> and --resample with which they were made"
        )
    if made and options.canvas not in (None, made.canvas):
        raise InputError(
            f"--canvas {options.canvas[1]}x{options.canvas[0]}: the training images of {options.model_dir} have the "
            f"canvas {made.canvas[1]}x{made.canvas[0]}; leave the option out"
        )
    if made and options.resample not in (None, made.resample):
        raise InputError(
            f"--resample {options.resample}: the training images of {options.model_dir} were made with "
            f"{made.resample}; leave the option out"
        )
    canvas, resample = (made.canvas, made.resample) if made else (options.canvas, options.resample or "area")
    return ImageRecipe(info.size, canvas, resample, options.max_pixels)


def _build(
    films: Sequence[Film], info: ModelInfo, recipe: ImageRecipe, options: argparse.Namespace,
    beam_options: PipelineOptions,
) -> beam.Pipeline:  # fmt: skip
    """Builds the job: read the films, predict, write the answers."""
    from pipelines.prediction.transforms import NOT_READ, READ, PredictFilms, ReadFilms, WriteAnswers

    pipeline = beam.Pipeline(options=beam_options)
    remote = next((film.path for film in films if not storage.is_local(film.path)), options.output)
    _, films_at_once = runners.films_at_once(beam_options, remote)
    outputs = (
        pipeline | "Films" >> beam.Create(films, reshuffle=False) | "ReadFilms" >> ReadFilms(recipe, films_at_once)
    )
    predicted = outputs[READ] | "PredictFilms" >> PredictFilms(
        options.model_dir, info.statistics, len(films) <= MOST_ROWS
    )
    answers = (predicted, outputs[NOT_READ]) | "AllAnswers" >> beam.Flatten()
    answers | "WriteAnswers" >> WriteAnswers(
        options.output, _describe(options.model_dir, info, recipe), info.categories
    )
    return pipeline


def _describe(model_dir: str, info: ModelInfo, recipe: ImageRecipe) -> list[tuple[str, str]]:
    """Returns (name, value) pairs that describe the model."""
    canvas = f"{recipe.canvas[1]} × {recipe.canvas[0]}, {recipe.resample}"
    return [
        ("folder", model_dir),
        ("network", info.network),
        ("trained on", f"{info.images:,} images of scanned films"),
        ("image", f"{info.size[1]} × {info.size[0]} pixels (width × height)"),
        ("canvas", canvas),
        ("data set", info.preparation.fingerprint[:16] if info.preparation else "unknown"),
        ("calibration", "none" if info.temperature == 1.0 else f"temperature {info.temperature:.3f}"),
    ]


def _summary(rows: Sequence[dict[str, str]], categories: int, found: Found) -> list[str]:
    """Formats the counts, the remarks, and the films without a prediction."""
    count = collections.Counter(row["density"] for row in rows)
    lines = [f"{f'density {category}':18}{count[str(category)]:>8,}" for category in range(1, categories + 1)]
    lines += [f"{'classified':18}{len(rows) - count['']:>8,}", f"{'not classified':18}{count['']:>8,}"]
    if known := sum("-Training_" in row["mammogram"] for row in rows if row["density"]):
        lines.append(f"of the training set of CBIS-DDSM ({known:,}): the model may have been trained on these films")
    remarked = [f"{row['file']}: {row['remarks']}" for row in rows if row["remarks"]]
    lines += _examples("with remarks", remarked) if remarked else []
    lines += _not_classified(rows)
    for reason, files in sorted(found.ignored.items(), key=lambda group: (-len(group[1]), group[0])):
        lines += _examples(f"ignored in the folders: {reason}", files)
    return lines


def _not_classified(rows: Sequence[dict[str, str]]) -> list[str]:
    """Formats the films without a prediction, grouped by reasons that differ in names and numbers only."""
    groups: dict[str, list[dict[str, str]]] = collections.defaultdict(list)
    for row in rows:
        if not row["density"]:
            groups[without_variables(row["not_classified"])].append(row)
    lines = []
    for kind, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if len({row["not_classified"] for row in group}) == 1:
            lines += _examples(f"not classified: {group[0]['not_classified']}", [row["file"] for row in group])
        else:
            examples = [f"{row['file']}: {row['not_classified']}" for row in group]
            lines += _examples(f"not classified: {kind}", examples)
    return lines


def _examples(title: str, files: Sequence[str]) -> list[str]:
    lines = [f"{title} ({len(files):,})", *(f"  {file}" for file in files[:EXAMPLES])]
    return [*lines, f"  and {len(files) - EXAMPLES:,} more"] if len(files) > EXAMPLES else lines


if __name__ == "__main__":
    exit_process(main())
