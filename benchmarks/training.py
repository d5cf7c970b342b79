"""The trainers on this CPU: their steps, what they read, how they begin, what an evaluation takes."""

import statistics
import time
from functools import partial
from pathlib import Path

from benchmarks import stepping
from benchmarks.measure import Row, command, program, side_by_side, took
from benchmarks.processes import InTurn, apart
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
    """Measures everything; what it reads is written to `folder` first."""
    images = stepping.smooth_images(TRAIN)
    pngs, records = write_folder(folder / "small_train", images), write_records(folder / "train.tfrecords", images)
    return [*_steps(), *_loading(pngs, records), _start(pngs, folder), _evaluation()]


def write_folder(folder: Path, images: ImageSet) -> Path:
    """PNGs as the job writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(images.names, images.pixels, strict=True):
        (folder / f"{name}.png").write_bytes(encode_png(pixels[..., 0]))
    return folder


def write_records(path: Path, images: ImageSet) -> Path:
    """One file of records as the job writes it."""
    with path.open("wb") as file:
        for name, label, pixels in zip(images.names, images.labels, images.pixels, strict=True):
            file.write(frame(encode_example(LabelledImage(name, int(label), pixels[..., 0]))))
    return path


def _steps() -> list[Row]:
    precision = apart(stepping.chosen_precision)
    with InTurn(stepping.our_loop) as ours, InTurn(stepping.keras_fit) as fit:
        loops = side_by_side({"ours": ours, "fit": fit})
    rates = [f"{stepping.STEPS / loops.median(name):.2f} steps/s" for name in ("ours", "fit")]
    least = ">= 2" if precision == "bfloat16" else ">= 1.1"  # what the hardware's own bfloat16 is worth
    faster = Row(f"training, our loop in {precision} / Keras fit in float32", *rates, loops.ratio("fit", "ours"), least)

    inputs = apart(stepping.with_and_without_input)
    fed, unfed = (f"{inputs.median(name) / stepping.FEW_STEPS:.3f} s a step" for name in ("fed", "unfed"))
    cost = Row("training, fed from the data set / from one batch", fed, unfed, inputs.ratio("fed", "unfed"), "<= 1.05")

    compilers = apart(stepping.with_and_without_xla)
    default, xla = (f"{compilers.median(name) / stepping.FEW_STEPS:.3f} s a step" for name in ("default", "XLA"))
    ratio = compilers.ratio("default", "XLA")
    compiled = Row("training, as a CPU does it here / compiled by XLA", default, xla, ratio, "<= 1")

    traces = apart(stepping.traces)
    traced = Row("traces of the loop in calls of 1, 2 and 3 steps", f"{traces}", "", traces, "<= 1", "traces")
    return [faster, cost, compiled, traced]


def _loading(pngs: Path, records: Path) -> list[Row]:
    times = side_by_side({"pngs": partial(_read_pngs, pngs), "records": partial(_read_records, records)})
    return [
        _seconds(f"{TRAIN:,} PNGs read and checked", times.median("pngs"), "<= 3"),
        _seconds(f"{TRAIN:,} records read and checked", times.median("records"), "<= 1"),
    ]


def _start(pngs: Path, folder: Path) -> Row:
    """From the command to the end of its first step, less TensorFlow's import and the reading of the images.

    When the first step was taken, the table of the steps tells, which is written right after it. The import is that of
    a Python that does nothing else, and the reading is done anew here, in the same round.
    """
    evaluated = write_folder(folder / "small_test", stepping.smooth_images(96, seed=1))
    beyond, whole = [], []
    for number in range(STARTS):
        model_dir = folder / f"model-{number}"
        begin = time.time()
        command(
            "trainer.gpu_model", f"--training_data_dir={pngs}", f"--eval_data_dir={evaluated}",
            f"--model_dir={model_dir}", "--training_steps=1", "--eval_steps=0",
        )  # fmt: skip
        whole.append((model_dir / "history.csv").stat().st_mtime - begin)
        beyond.append(
            whole[-1] - took(partial(program, IMPORT)) - took(lambda: (_read_pngs(pngs), _read_pngs(evaluated)))
        )
    goal = "from the command to the first step's end, beyond TensorFlow's import and the images' reading"
    return Row(goal, f"{statistics.median(whole):.1f} s in all", "", statistics.median(beyond), "<= 3", "s")


def _evaluation() -> Row:
    return _seconds(f"{TEST} images evaluated", apart(partial(stepping.evaluation_seconds, TEST)), "<= 5")


def _read_pngs(folder: Path) -> None:
    read_folder(str(folder), SIZE, CATEGORIES, Log())


def _read_records(path: Path) -> None:
    read_record_files([str(path)], SIZE, CATEGORIES, Log())


def _seconds(goal: str, seconds: float, bound: str) -> Row:
    return Row(goal, f"{seconds:.2f} s", "", seconds, bound, "s")
