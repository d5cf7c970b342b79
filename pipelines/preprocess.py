"""Makes a data set from mammograms and case descriptions: `python -m pipelines.preprocess --help`."""

import argparse
import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence

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
from preprocess.cases.plan import Plan, make_plan
from preprocess.contract import schema
from preprocess.contract.schema import Size
from preprocess.dataset import assemble
from preprocess.dataset.reader import open_dataset
from preprocess.dataset.recipe import Recipe
from preprocess.dataset.tables import parse_omissions
from preprocess.dataset.versions import stage_versions
from preprocess.files import storage
from preprocess.files.lock import WITHOUT_LOCK, locked
from preprocess.job.transforms import LargestSize, MeasureFilms, PrepareImages, WriteDataset
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
    output_root = options.output
    mammograms, index = _read_input(options)
    plan = make_plan(mammograms, index, command_line.parameters_of(options).selection)
    for line in name_links_out(index.listing):
        log.info(line)
    explain = functools.partial(explain_missing, mammograms, index)
    if options.dry_run:
        outcome = dry_run(plan, options.input, options.canvas, options.max_pixels, log)
        log.info("\n".join([format_outcome(outcome), *refusal_lines(outcome, options.max_rejected, explain)]))
        return
    runners.choose_worker_count(beam_options, len(plan.films), sum(film.bytes for film in plan.films))
    with locked(output_root, "--output") as lock:
        recipe = command_line.recipe_of(options, plan, lock)
        with storage.output_errors(output_root):
            earlier = look_for_dataset(plan, recipe, options.force)
        if earlier.is_current:
            log.info(
                f"{output_root} already contains this data set, made with the same input and options; nothing to do\n"
            )
        elif template := runners.template_of(beam_options):
            with beam_errors(beam_options):
                recipe = dataclasses.replace(recipe, lock_token=WITHOUT_LOCK)
                _pipeline(plan, recipe, options.canvas, beam_options).run()
            log.info(
                f"the job is described in {template} and has not run; start it on Dataflow. It holds no lock, because "
                f"no process lives as long as it: run nothing else with this --output until it has ended"
            )
            return
        else:
            plan, recipe = earlier.reused(plan, recipe)
            if earlier.message:
                log.info(earlier.message)
            _make(plan, recipe, options.canvas, beam_options, explain, log)
        with storage.output_errors(output_root):
            outcome = _read_outcome(recipe, plan)
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


def build(pipeline: beam.Pipeline, plan: Plan, recipe: Recipe, canvas: Size | None) -> None:
    """Builds the job: measure the films, find the canvas, prepare the images, write the data set."""
    planned = pipeline | "PlannedFilms" >> beam.Create(plan.films, reshuffle=False)
    known = pipeline | "KnownOmissions" >> beam.Create(plan.omissions, reshuffle=False)
    headers_at_once, films_at_once = runners.films_at_once(pipeline.options, recipe.input_root)
    measured, unmeasured = planned | "MeasureFilms" >> MeasureFilms(
        recipe.input_root, recipe.parameters.max_pixels, headers_at_once
    )
    if canvas is None:
        size = measured | "LargestSize" >> LargestSize()
    else:
        size = pipeline | "GivenCanvas" >> beam.Create([canvas])
    images, unprepared = measured | "PrepareImages" >> PrepareImages(recipe, size, films_at_once)
    omissions = (known, unmeasured, unprepared) | "AllOmissions" >> beam.Flatten()
    images | "WriteDataset" >> WriteDataset(recipe, omissions, size)


def _set_log_level(local: bool) -> None:
    """Sets Beam's log level: INFO for remote runners, WARNING for the local one."""
    logging.basicConfig(level=logging.WARNING if local else logging.INFO)
    if local:
        logging.getLogger("apache_beam.runners.portability.local_job_service").setLevel(logging.ERROR)


def _pipeline(plan: Plan, recipe: Recipe, canvas: Size | None, beam_options: PipelineOptions) -> beam.Pipeline:
    pipeline = beam.Pipeline(options=beam_options)
    build(pipeline, plan, recipe, canvas)
    return pipeline


def _make(
    plan: Plan, recipe: Recipe, canvas: Size | None, beam_options: PipelineOptions,
    explain: Callable[[], Sequence[str]], log: Log,
) -> None:  # fmt: skip
    """Runs the job. When this returns, the data set is published.

    Args:
        explain: returns lines that explain missing films.

    Raises:
        RunFailed: the job failed, or too many mammograms were rejected.
    """
    with storage.output_errors(recipe.output_root):
        stage_versions(plan.films, recipe)
        found = assemble.count_staged(recipe)
    if found:
        log.info(f"{found:,} images are there from an interrupted run")
    interval = 1.0 if storage.is_local(recipe.output_root) else 10.0
    with log.watch("preparing images", len(plan.films), lambda: assemble.count_staged(recipe), interval) as bar:
        with beam_errors(beam_options):
            pipeline = _pipeline(plan, recipe, canvas, beam_options)
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
            explain_refusal(omissions, explain()),
        )


def _read_outcome(recipe: Recipe, plan: Plan) -> Outcome:
    """Reads the outcome from the files of the finished data set."""
    data = open_dataset(recipe.output_root)
    return Outcome(
        counts=data.counts,
        omissions=data.read_omissions(),
        canvas=(data.manifest["canvas"]["height"], data.manifest["canvas"]["width"]),
        totals=plan.totals,
    )


if __name__ == "__main__":
    exit_process(main())
