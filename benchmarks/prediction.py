"""Benchmark of `pipelines.predict` on films of real size, compared with the job that makes a data set of them."""

import shutil
import statistics
from pathlib import Path

from benchmarks import films
from benchmarks.job import run_job
from benchmarks.measure import Row, command, seconds_of
from benchmarks.stepping import smooth_images
from benchmarks.training import write_folder

FEW, MANY = 200, 1200
STEPS, TRAIN = 5, 256
CANVAS = f"{films.CANVAS[1]}x{films.CANVAS[0]}"


def run(folder: Path) -> list[Row]:
    """Returns the rows of rate and start. The residual network is trained for a few steps first."""
    images = write_folder(folder / "train", smooth_images(TRAIN))
    model = folder / "model"
    command("trainer.gpu_model", f"--training_data_dir={images}", f"--model_dir={model}", "--eval_steps=0",
            f"--training_steps={STEPS}", "--warmup_steps=0", "--batch_size=32")  # fmt: skip
    written = films.write_films(folder)
    with films.download(folder, written, FEW) as few, films.download(folder, written, MANY) as many:
        rounds = [_round(folder, model, few, many) for _ in range(3)]
    rates = {name: statistics.median(_rate(seconds[name]) for seconds in rounds) for name in ("job", "predict")}
    ratio = statistics.median(_rate(seconds["predict"]) / _rate(seconds["job"]) for seconds in rounds)
    return [
        Row(f"films per second, predict / job, two processes each, for {MANY - FEW:,} more films",
            f"{rates['predict']:.0f}/s", f"{rates['job']:.0f}/s", ratio, ">= 0.8"),
    ]  # fmt: skip


def _round(folder: Path, model: Path, *downloads: films.Download) -> dict[str, list[float]]:
    """Returns the seconds of both commands for each download."""
    seconds: dict[str, list[float]] = {"job": [], "predict": []}
    for download in downloads:
        seconds["job"].append(run_job(download.arguments, folder / "out", 2).seconds)
        seconds["predict"].append(seconds_of(lambda source=download: _predict(source, model, folder / "out")))
    return seconds


def _predict(download: films.Download, model: Path, out: Path) -> None:
    command("pipelines.predict", f"--model_dir={model}", f"--input={download.root}/films", f"--output={out}",
            f"--canvas={CANVAS}", "--direct_num_workers=2")  # fmt: skip
    shutil.rmtree(out)


def _rate(seconds: list[float]) -> float:
    return (MANY - FEW) / (seconds[1] - seconds[0])
