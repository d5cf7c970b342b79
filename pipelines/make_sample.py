"""Writes synthetic films and case descriptions for trying the job: `python -m pipelines.make_sample --help`."""

import argparse
import multiprocessing
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from fnmatch import fnmatchcase

from pipelines.preparation.inputs import read_descriptions
from pipelines.sample import descriptions
from pipelines.sample.films import FilmJob, write_film
from preprocess.cases import catalogue
from preprocess.cases.descriptions import Mammogram, group_by_mammogram, name_fault, path_fault
from preprocess.contract import schema
from preprocess.files import storage
from preprocess.runtime.arguments import CommandParser
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log

NOTICE_FILE = "SYNTHETIC.txt"
NOTICE = """\
Every image below this folder is synthetic: made by a program, it shows no person and is no medical data.
The case descriptions beside it, where there are any, are synthetic, too.
"""
_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process that has threads may hang
_UID = re.compile(r"[0-9.]{1,64}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(_parser().parse_args(argv), Log()))


def run(options: argparse.Namespace, log: Log) -> None:
    """Writes the sample.

    Raises:
        InputError: the output contains other files than a sample, or cannot be written to; or a case description cannot
            be read, or names a mammogram for which no film can be made.
    """
    root = storage.absolute(options.output)
    if options.from_csv:
        jobs = _jobs_from_csv(options, root)
    else:
        mammograms = descriptions.make_mammograms(options.patients, options.seed)
        jobs = _jobs_of(mammograms, options, root)
    _clear(root)
    storage.write(storage.join(root, NOTICE_FILE), NOTICE.encode())
    if not options.from_csv:
        for kind in descriptions.HEADERS:
            for split in schema.SPLITS:
                chosen = [m for m in mammograms if (m.kind, m.split) == (kind, split)]
                table = descriptions.csv_text(kind, chosen).encode()
                storage.write(storage.join(root, descriptions.csv_name(kind, split)), table)
    _write_films(jobs, log)
    log.info(
        f"{len(jobs):,} synthetic films in {options.output}. This command makes a data set from them:\n\n"
        f"{_next_command(options, len(jobs))}"
    )


def _write_films(jobs: Sequence[FilmJob], log: Log) -> None:
    with ProcessPoolExecutor(mp_context=_SPAWN) as workers:
        films = as_completed([workers.submit(write_film, job) for job in jobs])
        for written in log.track(films, len(jobs), "synthesizing films"):
            written.result()


def _jobs_of(
    mammograms: Sequence[descriptions.SampleMammogram], options: argparse.Namespace, root: str
) -> list[FilmJob]:
    return [
        FilmJob(
            root,
            m.mammogram_id,
            m.study,
            m.series,
            m.density,
            m.side,
            m.view,
            m.abnormalities,
            options.seed,
            options.full_size,
        )
        for m in mammograms
        if m.has_file
    ]


def _jobs_from_csv(options: argparse.Namespace, root: str) -> list[FilmJob]:
    """Returns a film for every mammogram in existing case descriptions, whatever its density."""
    named = group_by_mammogram(read_descriptions(options.from_csv, schema.TRAIN))
    known = {entry.mammogram_id: entry.bytes for entry in catalogue.entries()}
    for mammogram in named:
        if fault := _fault(mammogram):
            raise InputError(f"no film can be made for {mammogram.mammogram_id!r}: {fault}")
    return [
        FilmJob(
            root,
            m.mammogram_id,
            *m.uids,
            int(m.density) if m.density.isdecimal() else 0,
            m.side,
            m.view,
            0,
            options.seed,
            options.full_size,
            known.get(m.mammogram_id),
        )
        for m in named
    ]


def _fault(mammogram: Mammogram) -> str:
    """Returns a message if no film can be made for a mammogram, else an empty string."""
    fault = path_fault(mammogram.image_path) or name_fault("mammogram ID", mammogram.mammogram_id)
    if fault:
        return fault
    for uid in mammogram.uids:
        if not _UID.fullmatch(uid):
            return f"study or series UID {uid[:100]!a} in image file path; expected up to 64 digits and '.'"
    for what, value, allowed in (("side", mammogram.side, schema.SIDES), ("view", mammogram.view, schema.VIEWS)):
        if value not in allowed:
            return f"{what} {value[:100]!a} is not one of {', '.join(allowed)}"
    return ""


def _clear(root: str) -> None:
    """Creates the folder, or deletes the earlier sample in it."""
    storage.check_writable(root, "--output")
    files = storage.list_files(root)
    if files and NOTICE_FILE not in files:
        raise InputError(f"{root}: contains files but no {NOTICE_FILE}, so it is not a sample; choose another --output")
    storage.delete_folder(storage.join(root, "CBIS-DDSM"))
    storage.delete(storage.join(root, file) for file in files if fnmatchcase(file, "*_case_description_*_set.csv"))


def _next_command(options: argparse.Namespace, films: int) -> str:
    csvs = options.output if not options.from_csv else options.from_csv[0].rpartition("/")[0] or "."
    # Two mammograms of every sample are rejected: in a small one, more than --max_rejected allows by default.
    tolerance = "" if options.from_csv or films >= 40 else " --max_rejected 0.2"
    return (
        f"python -m pipelines.preprocess --input {options.output} --output OUT{tolerance} \\\n"
        f"    --train_csv '{csvs}/*_train_set.csv' --test_csv '{csvs}/*_test_set.csv'"
    )


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m pipelines.make_sample",
        description="Writes synthetic mammograms as DICOM films, with case descriptions like those of CBIS-DDSM.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="folder or gs:// prefix to write to")
    add("--patients", type=_patients, default=40, help="number, with about three films each (default %(default)s)")
    add("--seed", type=int, default=0, help="seed of the random numbers (default %(default)s)")
    add("--full_size", action="store_true", help="make films as large as real ones, about 33 MB each")
    add("--from_csv", nargs="+", metavar="CSV", help="make one film for every mammogram in these case descriptions")
    return parser


def _patients(text: str) -> int:
    if not text.isdecimal() or not descriptions.SMALLEST <= int(text) <= 5000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of patients from {descriptions.SMALLEST} to 5000")
    return int(text)


if __name__ == "__main__":
    exit_process(main())
