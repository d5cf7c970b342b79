"""Writes synthetic films and case descriptions for trying the job: `python -m pipelines.make_sample --help`."""

import argparse
import hashlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from pipelines.preparation.inputs import read_descriptions
from pipelines.sample import descriptions, dicom_files
from pipelines.sample.breast import synthesize_film
from preprocess.cases.descriptions import group_by_mammogram, name_fault, path_fault
from preprocess.contract import schema
from preprocess.files import storage
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log

NOTICE_FILE = "SYNTHETIC.txt"
NOTICE = """\
Every image below this folder is synthetic: made by a program, it shows no person and is no medical data.
The case descriptions beside it, where there are any, are synthetic, too.
"""
SMALLER = 10  # without --full_size, height and width are divided by it
_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process that has threads may hang
HEIGHTS, WIDTHS = (3256, 7111), (1531, 5251)
TYPICAL_HEIGHT = (5300, 400)  # mean and standard deviation, in pixels


@dataclass(frozen=True)
class FilmJob:
    """A film that a worker process writes, with its crops and masks.

    Attributes:
        root: the output folder or gs:// prefix.
        image_path: the `image file path` of the case descriptions.
        density: 1 to 4; any other number if the category is not known.
        side: "LEFT" or "RIGHT".
        view: "CC" or "MLO".
        abnormalities: number of crops and of masks.
        seed: of the random numbers, together with the mammogram ID.
        full_size: whether the film is as large as a real one.
    """

    root: str
    mammogram_id: str
    image_path: str
    density: int
    side: str
    view: str
    abnormalities: int
    seed: int
    full_size: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    options = _parser().parse_args(argv)
    return run_command(lambda: run(options, Log()))


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


def write_film(job: FilmJob) -> None:
    """Synthesizes a film and writes it, with a crop and a mask for each abnormality."""
    digest = hashlib.sha256(job.mammogram_id.encode()).digest()
    rng = np.random.default_rng([job.seed, *digest[:16]])
    smaller = 1 if job.full_size else SMALLER
    height = int(np.clip(rng.normal(*TYPICAL_HEIGHT), *HEIGHTS))
    width = int(np.clip(height * rng.uniform(0.56, 0.66), *WIDTHS))
    size = (height // smaller, width // smaller)
    pixels = synthesize_film(size, job.density, job.side, job.view, rng)
    _, study, series, _ = job.image_path.split("/")
    path = dicom_files.descriptive_path(job.mammogram_id, study, series, dicom_files.FULL)
    dicom_files.write_dicom(storage.join(job.root, path), pixels, job.mammogram_id, study, series, dicom_files.FULL)
    for number in range(1, job.abnormalities + 1):
        _write_abnormality(job, number, pixels, rng)


def _write_abnormality(job: FilmJob, number: int, pixels: np.ndarray, rng: np.random.Generator) -> None:
    height, width = pixels.shape
    extent = height // 12
    top, left = int(rng.uniform(0.3, 0.6) * height), int(rng.uniform(0.3, 0.5) * width)
    crop = pixels[top : top + extent, left : left + extent]
    mask = np.zeros(pixels.shape, np.uint8)
    mask[top : top + extent, left : left + extent] = 255
    folder = f"{job.mammogram_id}_{number}"
    study, series = (descriptions.uid(job.mammogram_id, number, name) for name in ("study", "series"))
    for image, description, file in ((mask, dicom_files.MASK, 1), (crop, dicom_files.CROP, 2)):
        path = storage.join(job.root, dicom_files.descriptive_path(folder, study, series, description, file))
        dicom_files.write_dicom(path, image, folder, study, series, description)


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
            m.image_path,
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
    for mammogram in named:
        if fault := path_fault(mammogram.image_path) or name_fault("mammogram ID", mammogram.mammogram_id):
            raise InputError(f"no film can be made for {mammogram.mammogram_id!r}: {fault}")
    return [
        FilmJob(
            root,
            m.mammogram_id,
            m.image_path,
            int(m.density) if m.density.isdecimal() else 0,
            m.side,
            m.view,
            0,
            options.seed,
            options.full_size,
        )
        for m in named
    ]


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.make_sample",
        description="Writes synthetic mammograms as DICOM films, with case descriptions like those of CBIS-DDSM.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="folder or gs:// prefix to write to")
    add("--patients", type=_patients, default=40, help="number, with about three films each (default %(default)s)")
    add("--seed", type=int, default=0, help="seed of the random numbers (default %(default)s)")
    add("--full_size", action="store_true", help="make films as large as real ones, about 30 MB each")
    add("--from_csv", nargs="+", metavar="CSV", help="make one film for every mammogram in these case descriptions")
    return parser


def _patients(text: str) -> int:
    if not text.isdecimal() or not descriptions.SMALLEST <= int(text) <= 5000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of patients from {descriptions.SMALLEST} to 5000")
    return int(text)


if __name__ == "__main__":
    exit_process(main())
