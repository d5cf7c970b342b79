"""A sample anyone can run the job on: `python -m pipelines.make_sample --help`."""

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
SMALLER = 10  # how many times smaller than real films the default ones are
_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
HEIGHTS, WIDTHS = (3256, 7111), (1531, 5251)
TYPICAL_HEIGHT = (5300, 400)  # mean and standard deviation


@dataclass(frozen=True)
class FilmJob:
    """One film to write, with its crops and masks: what a worker process is handed."""

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
    """Runs the command; returns its exit status: 0 done, 2 wrong input."""
    options = _parser().parse_args(argv)
    return run_command(lambda: run(options, Log()))


def run(options: argparse.Namespace, log: Log) -> None:
    """Writes the sample.

    Raises:
        InputError: the folder holds something else, or a case description cannot be read.
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
        f"{len(jobs):,} synthetic films in {options.output}. The job on them:\n\n{_next_command(options, len(jobs))}"
    )


def write_film(job: FilmJob) -> None:
    """Synthesizes one film and writes it, and a crop and a mask for each abnormality."""
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
    """One film for every mammogram that real case descriptions name, whatever its density."""
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
    """Makes the folder, or removes the earlier sample in it."""
    storage.check_writable(root, "--output")
    held = storage.list_files(root)
    if held and NOTICE_FILE not in held:
        raise InputError(f"{root}: is not empty and holds no sample; choose another --output")
    storage.delete_folder(storage.join(root, "CBIS-DDSM"))
    storage.delete(storage.join(root, file) for file in held if fnmatchcase(file, "*_case_description_*_set.csv"))


def _next_command(options: argparse.Namespace, films: int) -> str:
    csvs = options.output if not options.from_csv else options.from_csv[0].rpartition("/")[0] or "."
    tolerance = "" if options.from_csv or films >= 40 else " --max_rejected 0.2"  # two bad cases weigh more then
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
    add("--patients", type=_patients, default=40, help="about three films each (default %(default)s)")
    add("--seed", type=int, default=0, help="another seed, another sample (default %(default)s)")
    add("--full_size", action="store_true", help="films as large as the real ones, about 30 MB each")
    add("--from_csv", nargs="+", metavar="CSV", help="one film for every mammogram these case descriptions name")
    return parser


def _patients(text: str) -> int:
    if not text.isdecimal() or not descriptions.SMALLEST <= int(text) <= 5000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of patients from {descriptions.SMALLEST} to 5000")
    return int(text)


if __name__ == "__main__":
    exit_process(main())
