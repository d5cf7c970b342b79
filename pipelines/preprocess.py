"""Mammograms in, training set out: `python -m pipelines.preprocess --help`."""

import argparse
import itertools
import logging
import sys
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from pipelines import options as command_line
from pipelines import runners
from pipelines.inputs import list_films, read_descriptions
from pipelines.rehearsal import rehearse
from pipelines.summary import Outcome, table
from preprocess import publish, schema, storage
from preprocess.cases import gather
from preprocess.command import exit_status
from preprocess.dataset import open_dataset
from preprocess.errors import InputError, RunFailed
from preprocess.locate import FileIndex
from preprocess.log import Log
from preprocess.plan import Plan, make_plan
from preprocess.recipe import Recipe
from preprocess.resize import Size
from preprocess.transforms import LargestSize, MeasureFilms, PrepareImages, WriteDataset


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 done, 1 no data set, 2 wrong input, 130 interrupted."""
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
    recipe = command_line.recipe_of(options, plan)
    if _is_finished(recipe, options.force):
        log.say(f"{output_root} already holds this data set, made with the same input and options; nothing to do\n")
    else:
        _clear(recipe)
        if template := runners.template_of(beam_options):
            _run(plan, recipe, options.canvas, beam_options)
            log.say(f"the job is described in {template} and has not run; start it on Dataflow")
            return
        _make(plan, recipe, options.canvas, beam_options, log)
    storage.delete_folder(recipe.staging)  # also of a run that was killed just after it had published
    log.say(table(_read_outcome(recipe, plan)))
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


def _clear(recipe: Recipe) -> None:
    """Makes room for a run.

    Raises:
        InputError: the output root cannot be written to.
    """
    storage.check_writable(recipe.output_root, "--output")
    storage.delete_folder(recipe.staging)


def _run(plan: Plan, recipe: Recipe, canvas: Size | None, beam_options: PipelineOptions) -> PipelineResult:
    pipeline = beam.Pipeline(options=beam_options)
    build(pipeline, plan, recipe, canvas)
    return pipeline.run()


def _make(plan: Plan, recipe: Recipe, canvas: Size | None, beam_options: PipelineOptions, log: Log) -> None:
    """Runs the job; the data set is published when this returns.

    Raises:
        RunFailed: the job failed, or too many mammograms were rejected.
    """
    often = 1.0 if storage.is_local(recipe.output_root) else 10.0
    with log.watch("preparing images", len(plan.films), lambda: publish.count_staged(recipe), often) as bar:
        try:
            state = _run(plan, recipe, canvas, beam_options).wait_until_finish()
        except RuntimeError as error:  # Beam's word for a job that failed; its last line is the cause
            raise RunFailed(
                f"the Beam job failed and left no data set: {str(error).strip().splitlines()[-1]}"
            ) from error
        if state != PipelineState.DONE:
            raise RunFailed(f"the Beam job ended in state {state} and left no data set; its messages above say why")
        verdict = publish.read_verdict(recipe)
        bar.settle(verdict.prepared)
    if verdict.reason:
        storage.delete_folder(recipe.staging)
        raise RunFailed(
            f"no data set is published: {verdict.reason}; see "
            f"{recipe.final(schema.OMISSIONS_FILE)}, then mend the input or allow more with --max_rejected"
        )


def _is_finished(recipe: Recipe, force: bool) -> bool:
    """Whether the output root holds this very data set.

    Raises:
        InputError: it holds another one, or files that no run of this job left there.
    """
    root = recipe.output_root
    manifest = publish.read_manifest(root)
    if manifest is None:
        found = publish.output_files(root)
        if found and not storage.list_files(recipe.staging):
            raise InputError(
                f"{root}: holds {found[0]} but no {schema.MANIFEST_FILE}, so this job did not make it; "
                f"move it away or choose another --output"
            )
        storage.delete(storage.join(root, name) for name in found)  # an earlier run ended while it was publishing
        return False
    if not force and manifest["fingerprint"] != recipe.fingerprint:
        raise InputError(
            f"{root}: holds a data set made from other input or with other options; "
            f"choose another --output, or --force to replace it"
        )
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
    sys.exit(main())
