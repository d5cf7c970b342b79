"""Makes a data set from mammograms and case descriptions: `python -m pipelines.preprocess --help`."""

import argparse
import dataclasses
import functools
import logging
import uuid
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.beam import runners
from pipelines.beam.run_job import beam_errors, run_job
from pipelines.preparation import options as command_line
from pipelines.preparation.dry_run import dry_run
from pipelines.preparation.earlier import look_for_dataset
from pipelines.preparation.inputs import IDC_ROOT, list_films, read_case_descriptions
from pipelines.preparation.summary import Outcome, explain_refusal, format_outcome, refusal_lines
from preprocess.cases.descriptions import Mammogram, catalogue_mammograms
from preprocess.cases.diagnosis import explain_missing, name_links_out
from preprocess.cases.locate import FileIndex, FilmIndex, IdcIndex
from preprocess.cases.make_plan import locate_films, make_plan
from preprocess.cases.plan import Plan
from preprocess.contract import schema
from preprocess.contract.schema import Size
from preprocess.dataset import assemble
from preprocess.dataset.plan_files import write_plan
from preprocess.dataset.reader import open_dataset
from preprocess.dataset.recipe import Recipe
from preprocess.dataset.tables import parse_omissions
from preprocess.dataset.versions import stage_versions
from preprocess.files import storage
from preprocess.files.lock import WITHOUT_LOCK, locked
from preprocess.job.transforms import LargestSize, MeasureFilms, PrepareImages, ReadPlan, WriteDataset
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Parses the options, plans, runs the job, and prints a table of the result.

    Raises:
        InputError: the run cannot start.
        RunFailed: the run made no data set.
    """
    options, beam_options = command_line.parse(argv)
    _set_log_level(runners.is_local(beam_options))
    plan = _plan(options, log)
    if options.dry_run:
        outcome = dry_run(plan, options.input, options.canvas, options.max_pixels, log)
        explain = functools.partial(_explain_missing, options)
        log.info("\n".join([format_outcome(outcome), *refusal_lines(outcome, options.max_rejected, explain)]))
        return
    runners.choose_worker_count(beam_options, len(plan.films), sum(film.bytes for film in plan.films))
    with locked(options.output, "--output") as lock:
        recipe = command_line.recipe_of(options, plan, lock)
        with storage.output_errors(options.output):
            earlier = look_for_dataset(plan, recipe, options.force)
        if earlier.is_current:
            log.info(
                f"{options.output} already contains this data set, made with the same input and options; nothing to "
                f"do\n"
            )
        elif template := runners.template_of(beam_options):
            folder = storage.join(runners.staging_of(beam_options) or recipe.staging, f"plans/{uuid.uuid4().hex}")
            recipe = dataclasses.replace(recipe, lock_token=WITHOUT_LOCK, plan=write_plan(plan, folder))
            with beam_errors(beam_options):
                _pipeline(recipe, options.canvas, beam_options).run()
            log.info(
                f"the job is described in {template} and has not run; start it on Dataflow. It holds no lock, because "
                f"no process lives as long as it: run nothing else with this --output until it has ended"
            )
            return
        else:
            plan, recipe = earlier.reused(plan, recipe)
            if earlier.message:
                log.info(earlier.message)
            with storage.output_errors(options.output):
                stage_versions(plan.films, recipe)
                recipe = dataclasses.replace(recipe, plan=write_plan(plan, recipe.staged("plan")))
            films = len(plan.films)
            del plan, earlier  # a few KB a film, which the job does not need
            _make(recipe, films, options, beam_options, log)
        with storage.output_errors(options.output):
            outcome = _read_outcome(recipe)
    log.info(format_outcome(outcome))
    log.info("\n" + "\n".join(recipe.final(name) for name in schema.OUTPUTS))


def _read_input(options: argparse.Namespace) -> tuple[list[Mammogram], FilmIndex]:
    """Reads the case descriptions, or the catalogue without them, and lists the films."""
    if options.train_csv:
        mammograms = read_case_descriptions(options.train_csv, options.test_csv)
    else:
        mammograms = catalogue_mammograms()
    if options.input == IDC_ROOT:
        return mammograms, IdcIndex()
    return mammograms, FileIndex(list_films(options.input, options.output))


def _plan(options: argparse.Namespace, log: Log) -> Plan:
    """Plans the run. The index of the files, which is larger than the plan, is deleted before the plan is made."""
    mammograms, index = _read_input(options)
    locations, links_out = locate_films(mammograms, index), index.links_out
    del index
    plan = make_plan(mammograms, locations, command_line.parameters_of(options).selection)
    for line in name_links_out(links_out):
        log.info(line)
    return plan


def _explain_missing(options: argparse.Namespace) -> list[str]:
    """Reads the input once more, and explains why films are missing."""
    return explain_missing(*_read_input(options))


def build(pipeline: beam.Pipeline, recipe: Recipe, canvas: Size | None) -> None:
    """Builds the job: measure the films, find the canvas, prepare the images, write the data set.

    The graph contains the names of the files in which the films are listed, not the films: services limit its size.
    """
    pieces = pipeline | "PlannedFilms" >> beam.Create(recipe.plan.film_paths, reshuffle=False)
    headers_at_once, films_at_once = runners.films_at_once(pipeline.options, recipe.input_root)
    planned = pieces | "ReadPlan" >> ReadPlan(recipe)
    measured = planned | "MeasureFilms" >> MeasureFilms(
        recipe.input_root, recipe.parameters.max_pixels, headers_at_once
    )
    if canvas is None:
        size = measured | "LargestSize" >> LargestSize()
    else:
        size = pipeline | "GivenCanvas" >> beam.Create([canvas])
    images = measured | "PrepareImages" >> PrepareImages(recipe, size, films_at_once)
    images | "WriteDataset" >> WriteDataset(recipe, size)


def _set_log_level(local: bool) -> None:
    """Sets Beam's log level: INFO for remote runners, WARNING for the local one."""
    logging.basicConfig(level=logging.WARNING if local else logging.INFO)
    if local:
        logging.getLogger("apache_beam.runners.portability.local_job_service").setLevel(logging.ERROR)


def _pipeline(recipe: Recipe, canvas: Size | None, beam_options: PipelineOptions) -> beam.Pipeline:
    pipeline = beam.Pipeline(options=beam_options)
    build(pipeline, recipe, canvas)
    return pipeline


def _make(
    recipe: Recipe, films: int, options: argparse.Namespace, beam_options: PipelineOptions, log: Log
) -> None:  # fmt: skip
    """Runs the job. When this returns, the data set is published.

    Args:
        films: number of planned films.

    Raises:
        RunFailed: the job failed, or too many mammograms were rejected.
    """
    with storage.output_errors(recipe.output_root):
        found = assemble.count_staged(recipe)
    if found:
        log.info(f"{found:,} images are there from an interrupted run")
    interval = 1.0 if storage.is_local(recipe.output_root) else 10.0
    with log.watch("preparing images", films, lambda: assemble.count_staged(recipe), interval) as bar:
        with beam_errors(beam_options):
            pipeline = _pipeline(recipe, options.canvas, beam_options)
        run_job(pipeline, beam_options)
        with storage.output_errors(recipe.output_root):
            refusal = assemble.read_refusal(recipe)
            if refusal is None:
                bar.settle(sum(open_dataset(recipe.output_root).counts.values()))
    if refusal:
        listed = assemble.refused_omissions_file(recipe)
        with storage.output_errors(recipe.output_root):
            omissions = list(parse_omissions(storage.read(listed).decode()))
            if listed == recipe.final(schema.OMISSIONS_FILE):
                storage.delete_folder(recipe.staging_root)
        raise RunFailed(
            f"no data set is published: {refusal.refusal}; see {listed}, then correct the input or allow more with "
            f"--max_rejected",
            explain_refusal(omissions, _explain_missing(options)),
        )


def _read_outcome(recipe: Recipe) -> Outcome:
    """Reads the outcome from the files of the finished data set."""
    data = open_dataset(recipe.output_root)
    return Outcome(
        counts=data.counts,
        omissions=data.read_omissions(),
        canvas=(data.manifest["canvas"]["height"], data.manifest["canvas"]["width"]),
        totals=recipe.totals,
    )


if __name__ == "__main__":
    exit_process(main())
