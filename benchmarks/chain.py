"""Benchmark of the chained command on the sample of the demo: its time without decoding, training steps and imports."""

import csv
import shutil
import statistics
from pathlib import Path

from benchmarks.measure import ROUNDS, Row, command, program, seconds_of
from preprocess.dataset.reader import DataSet, open_dataset
from preprocess.images.film_task import FilmTask
from preprocess.images.make_image import make_image

PATIENTS, STEPS, BATCH = 80, 20, 32
IMPORTS = """
import gc
import pipelines.preprocess_and_train, pipelines.preprocess, pipelines.verify, pipelines.report
import trainer.gpu_model, trainer.tpu_model
from trainer.runtime.startup import import_tensorflow
import_tensorflow()
import trainer.session
from pipelines.report_page import render, thumbnails, trained_model
gc.freeze()
"""


def run(folder: Path) -> list[Row]:
    """Runs `preprocess_and_train` with few steps, then measures separately the parts that are subtracted.

    Subtracted from the wall time are the import of every module that the process loads, measured in a new Python
    process; the decoding and resizing of every film, one after the other in one process, as in a job with so few films;
    and the steps of both trainings, at the rate in their `speed.csv`. What remains is the planning, writing and
    verifying of the job, and Beam; the building and tracing of two models, their evaluation, checkpoints and exports;
    and the report.
    """
    sample = folder / "sample"
    command("pipelines.make_sample", f"--output={sample}", f"--patients={PATIENTS}")
    rounds = [_once(sample, folder / str(number)) for number in range(ROUNDS)]
    whole, decoding, stepping, importing = map(statistics.median, zip(*rounds, strict=True))
    others = statistics.median(whole - sum(subtracted) for whole, *subtracted in rounds)
    parts = f"{whole:.1f} s - decoding {decoding:.1f} - steps {stepping:.1f} - imports {importing:.1f}"
    title = "the chained command with both trainers, without decoding, training steps and imports"
    return [Row(title, parts, "", others, "<= 10", "s")]


def _once(sample: Path, folder: Path) -> tuple[float, float, float, float]:
    """Returns the seconds of a whole run, and of its decoding, training steps and imports."""
    output, models = folder / "dataset", folder / "models"
    tables = {split: sorted(sample.glob(f"*_{split}_set.csv")) for split in ("train", "test")}
    whole = seconds_of(lambda: command(
        "pipelines.preprocess_and_train", f"--input={sample}", f"--output={output}", "--train_csv", *tables["train"],
        "--test_csv", *tables["test"], "--trainer=both", f"--model_dir={models}", f"--training_steps={STEPS}",
        f"--batch_size={BATCH}",
    ))  # fmt: skip
    decoding = seconds_of(lambda: _decode(sample, open_dataset(str(output))))
    stepping = sum(_stepping_seconds(models / name) for name in ("gpu_model", "tpu_model"))
    importing = seconds_of(lambda: program(IMPORTS))
    shutil.rmtree(folder)
    return whole, decoding, stepping, importing


def _decode(sample: Path, data: DataSet) -> None:
    parameters, canvas = data.manifest["parameters"], data.manifest["canvas"]
    for row in data.read_rows():
        make_image(FilmTask(
            str(sample / row.source_file), (row.source_height, row.source_width),
            (canvas["height"], canvas["width"]), data.size, parameters["resample"], parameters["max_pixels"],
        ))  # fmt: skip


def _stepping_seconds(model_dir: Path) -> float:
    """Returns the time of all steps, at the rate of those after the first call, which also traces."""
    with (model_dir / "speed.csv").open() as file:
        (row,) = csv.DictReader(file)
    return STEPS / float(row["steps_per_second"])
