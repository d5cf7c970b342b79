"""Benchmark of the trainers on this CPU: steps, reading of images, start, evaluation."""

import statistics
import time
from functools import partial
from pathlib import Path

from benchmarks import frameworks, stepping
from benchmarks.measure import Row, command, program, seconds_of, side_by_side
from benchmarks.processes import InTurn, in_new_process
from preprocess.contract import schema
from preprocess.contract.example import LabelledImage, encode_example
from preprocess.contract.png import encode_png
from preprocess.contract.tfrecord import frame
from preprocess.runtime.log import Log
from trainer.data.image_set import ImageSet
from trainer.data.png_folder import read_folder
from trainer.data.record_files import read_record_files

TRAIN, TEST = 2458, 643
SIZE, CATEGORIES = (schema.IMAGE_HEIGHT, schema.IMAGE_WIDTH), len(schema.DENSITIES)
STARTS = 3
IMPORT = "from trainer.runtime.startup import import_tensorflow; import_tensorflow()"


def run(folder: Path) -> list[Row]:
    """Returns all rows. The images are written to `folder` first."""
    images = stepping.smooth_images(TRAIN)
    pngs, records = write_folder(folder / "small_train", images), write_records(folder / "train.tfrecords", images)
    return [*_steps(), *_residual_steps(), *_loading(pngs, records), _start(pngs, folder), _evaluation()]


def write_folder(folder: Path, images: ImageSet) -> Path:
    """Writes PNGs as the job does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(images.names, images.pixels, strict=True):
        (folder / f"{name}.png").write_bytes(encode_png(pixels[..., 0]))
    return folder


def write_records(path: Path, images: ImageSet) -> Path:
    """Writes one TFRecord file as the job does."""
    with path.open("wb") as file:
        for name, label, pixels in zip(images.names, images.labels, images.pixels, strict=True):
            file.write(frame(encode_example(LabelledImage(name, int(label), pixels[..., 0]))))
    return path


def _steps() -> list[Row]:
    precision = in_new_process(stepping.chosen_precision)
    with InTurn(stepping.our_loop) as ours, InTurn(stepping.keras_fit) as fit:
        loops = side_by_side({"ours": ours, "fit": fit})
    rates = [f"{stepping.STEPS / loops.median(name):.2f} steps/s" for name in ("ours", "fit")]
    least = ">= 2" if precision == "bfloat16" else ">= 1.1"  # the gain from bfloat16 in hardware
    title = f"training, this project's loop in {precision} / Keras fit in float32"
    faster = Row(title, *rates, loops.ratio("fit", "ours"), least)

    cost = stepping.input_cost("training step", stepping.make_tutorial_training)

    compilers = in_new_process(stepping.with_and_without_xla)
    default, xla = (f"{compilers.median(name) / stepping.FEW_STEPS:.3f} s a step" for name in ("default", "XLA"))
    ratio = compilers.ratio("default", "XLA")
    compiled = Row("training step, default on a CPU / compiled by XLA", default, xla, ratio, "<= 1")

    traces = in_new_process(stepping.traces)
    traced = Row("traces of the loop in calls of 1, 2 and 3 steps", f"{traces}", "", traces, "<= 1", "traces")
    return [faster, cost, compiled, traced]


def _residual_steps() -> list[Row]:
    precisions = ["float32", "bfloat16"] if in_new_process(stepping.chosen_precision) == "bfloat16" else ["float32"]
    cases = [(batch_size, precision) for precision in precisions for batch_size in (64, 256)]
    return [row for case in cases for row in (*frameworks.steps(*case), frameworks.input_cost_of(*case))]


def _loading(pngs: Path, records: Path) -> list[Row]:
    times = side_by_side({"pngs": partial(_read_pngs, pngs), "records": partial(_read_records, records)})
    return [
        _seconds(f"{TRAIN:,} PNGs read and checked", times.median("pngs"), "<= 3"),
        _seconds(f"{TRAIN:,} records read and checked", times.median("records"), "<= 1"),
    ]


def _start(pngs: Path, folder: Path) -> Row:
    """Measures the time from the start of the command to the end of its first step.

    The first step ends when `history.csv` is written. The import of TensorFlow, measured in a new Python process, and
    the reading of the images, measured in this process in the same round, are subtracted.
    """
    evaluated = write_folder(folder / "small_test", stepping.smooth_images(96, seed=1))
    remaining, whole = [], []
    for number in range(STARTS):
        model_dir = folder / f"model-{number}"
        begin = time.time()
        command(
            "trainer.gpu_model", f"--training_data_dir={pngs}", f"--eval_data_dir={evaluated}",
            f"--model_dir={model_dir}", "--training_steps=1", "--eval_steps=0",
        )  # fmt: skip
        whole.append((model_dir / "history.csv").stat().st_mtime - begin)
        importing = seconds_of(partial(program, IMPORT))
        remaining.append(whole[-1] - importing - seconds_of(lambda: (_read_pngs(pngs), _read_pngs(evaluated))))
    title = "from the start to the end of the first step, without importing TensorFlow and reading images"
    return Row(title, f"{statistics.median(whole):.1f} s in all", "", statistics.median(remaining), "<= 3", "s")


def _evaluation() -> Row:
    return _seconds(f"{TEST} images evaluated", in_new_process(partial(stepping.evaluation_seconds, TEST)), "<= 5")


def _read_pngs(folder: Path) -> None:
    read_folder(str(folder), SIZE, CATEGORIES, Log())


def _read_records(path: Path) -> None:
    read_record_files([str(path)], SIZE, CATEGORIES, Log())


def _seconds(title: str, seconds: float, bound: str) -> Row:
    return Row(title, f"{seconds:.2f} s", "", seconds, bound, "s")
