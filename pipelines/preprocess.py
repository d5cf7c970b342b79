"""Mammograms in, training set out: `python -m pipelines.preprocess --help`."""

import argparse
import dataclasses
import itertools
import logging
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import options as command_line
from pipelines import runners
from pipelines.beam_job import one_line, run_job
from pipelines.inputs import list_films, read_descriptions
from pipelines.rehearsal import rehearse
from pipelines.summary import Outcome, table
from preprocess import publication, publish, schema, storage
from preprocess.cases import gather
from preprocess.command import exit_status, leave
from preprocess.dataset import open_dataset
from preprocess.errors import InputError, RunFailed
from preprocess.locate import FileIndex
from preprocess.locking import locked
from preprocess.log import Log
from preprocess.plan import Plan, make_plan
from preprocess.recipe import Recipe
from preprocess.resize import Size
from preprocess.transforms import LargestSize, MeasureFilms, PrepareImages, WriteDataset


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 done, 1 no data set, 2 wrong input, 130 or 143 told to end."""
    return exit_status(lambda: run(argv, Log()))


def run(argv: Sequence[str] | None, log: Log) -> None:
    """Parses, plans, runs and reports.

    Raises:
        InputError: the run cannot start.
        RunFailed: it started and no data set came of it.
    """
    options, beam_options = command_line.parse(argv)
    _set_log_level(runners.is_local(beam_options))
    input_root, output_root = storage.absolute(options.input), storage.absolute(options.output)
    plan = _plan(options, input_root, output_root)
    if options.dry_run:
        log.say(table(rehearse(plan, input_root, options.canvas, options.max_pixels, log)))
        return
    runners.settle_workers(beam_options, plan.films)
    with locked(output_root, "--output") as lock, storage.about_output(output_root):
        recipe = command_line.recipe_of(options, plan, lock)
        if _is_finished(recipe, options.force):
            log.say(f"{output_root} already holds this data set, made with the same input and options; nothing to do\n")
        elif template := runners.template_of(beam_options):
            with one_line(beam_options):
                _pipeline(plan, dataclasses.replace(recipe, lock=""), options.canvas, beam_options).run()
            log.say(f"the job is described in {template} and has not run; start it on Dataflow")
            return
        else:
            _make(plan, recipe, options.canvas, beam_options, log)
        outcome = _read_outcome(recipe, plan)
    log.say(table(outcome))
    log.say("\n" + "\n".join(recipe.final(name) for name in schema.OUTPUTS))


def _plan(options: argparse.Namespace, input_root: str, output_root: str) -> Plan:
    train = read_descriptions(options.train_csv, schema.TRAIN)
    test = read_descriptions(options.test_csv, schema.TEST)
    mammograms = gather(itertools.chain(train, test))
    index = FileIndex(list_films(input_root, output_root))
    return make_plan(mammograms, index, command_line.selection_of(options))


def build(pipeline: beam.Pipeline, plan: Plan, recipe: Recipe, canvas: Size | None) -> None:
    """The job: measure the films, find the canvas, prepare the images, write the data set."""
    planned = pipeline | "PlannedFilms" >> beam.Create(plan.films, reshuffle=False)
    known = pipeline | "KnownOmissions" >> beam.Create(plan.omissions, reshuffle=False)
    measured, unmeasured = planned | "MeasureFilms" >> MeasureFilms(recipe.input_root, recipe.max_pixels)
    if canvas is None:
        size = measured | "LargestSize" >> LargestSize()
    else:
        size = pipeline | "GivenCanvas" >> beam.Create([canvas])
    images, unprepared = measured | "PrepareImages" >> PrepareImages(recipe, size)
    omissions = (known, unmeasured, unprepared) | "AllOmissions" >> beam.Flatten()
    images | "WriteDataset" >> WriteDataset(recipe, omissions, size)


def _set_log_level(local: bool) -> None:
    """Beam's messages of a distant runner are news; those of the local one's start-up are not."""
    logging.basicConfig(level=logging.WARNING if local else logging.INFO)
    if local:
        logging.getLogger("apache_beam.runners.portability.local_job_service").setLevel(logging.ERROR)


def _pipeline(plan: Plan, recipe: Recipe, canvas: Size | None, beam_options: PipelineOptions) -> beam.Pipeline:
    pipeline = beam.Pipeline(options=beam_options)
    build(pipeline, plan, recipe, canvas)
    return pipeline


def _make(plan: Plan, recipe: Recipe, canvas: Size | None, beam_options: PipelineOptions, log: Log) -> None:
    """Runs the job; the data set is published when this returns.

    Raises:
        RunFailed: the job failed, or too many mammograms were rejected.
    """
    if found := publish.count_staged(recipe):
        log.say(f"{found:,} images are there from a run that was broken off")
    often = 1.0 if storage.is_local(recipe.output_root) else 10.0
    with log.watch("preparing images", len(plan.films), lambda: publish.count_staged(recipe), often) as bar:
        with one_line(beam_options):
            pipeline = _pipeline(plan, recipe, canvas, beam_options)
        run_job(pipeline, beam_options)
        refusal = publish.read_refusal(recipe)
        if refusal is None:
            bar.settle(sum(open_dataset(recipe.output_root).counts.values()))
    if refusal:
        listed = publish.refused_omissions_file(recipe)
        if listed == recipe.final(schema.OMISSIONS_FILE):
            storage.delete_folder(recipe.staging_root)
        raise RunFailed(
            f"no data set is published: {refusal.reason}; see {listed}, then mend the input or allow more with "
            f"--max_rejected"
        )


def _is_finished(recipe: Recipe, force: bool) -> bool:
    """Whether the output root holds this very data set, perhaps since just now.

    Raises:
        InputError: it holds another one, or files that no run of this job left there.
    """
    root = recipe.output_root
    if publication.recover(recipe):
        return True
    manifest = publication.read_manifest(root)
    if manifest is None:
        if found := publication.output_files(root):
            raise InputError(
                f"{root}: holds {found[0]} but no {schema.MANIFEST_FILE}, so this job did not make it; "
                f"move it away or choose another --output"
            )
        return False
    if not force and manifest["fingerprint"] != recipe.fingerprint:
        raise InputError(
            f"{root}: holds a data set made from other input or with other options; "
            f"choose another --output, or --force to replace it"
        )
    if not force:
        storage.delete_folder(recipe.staging_root)  # a run was killed while it cleared it away
    return not force


def _read_outcome(recipe: Recipe, plan: Plan) -> Outcome:
    """The outcome of a finished data set, read from its own files."""
    data = open_dataset(recipe.output_root)
    return Outcome(
        counts=data.counts,
        omissions=data.read_omissions(),
        canvas=(data.manifest["canvas"]["height"], data.manifest["canvas"]["width"]),
        named=plan.named,
        matched=plan.matched,
        spare=len(plan.spare),
        overlap=len(plan.overlap),
    )


if __name__ == "__main__":
    leave(main())
