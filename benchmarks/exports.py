"""Benchmark of the exported formats: their size, their probabilities beside those of the evaluation, their speed."""

import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, command, side_by_side
from benchmarks.processes import in_new_process
from benchmarks.stepping import smooth_images
from benchmarks.training import TEST, write_folder
from trainer.runtime.startup import import_tensorflow
from trainer.settings import EXPORT_FORMATS, NETWORKS

BATCH, STEPS, TRAIN = 64, 20, 256
FILES = {"saved_model": "export", "keras": "model.keras", "litert": "model.tflite"}


def run(folder: Path) -> list[Row]:
    """Returns a row for each network and format. Both networks are trained for a few steps first."""
    test = smooth_images(TEST, seed=1)
    data = [f"--training_data_dir={write_folder(folder / 'train', smooth_images(TRAIN))}",
            f"--eval_data_dir={write_folder(folder / 'test', test)}"]  # fmt: skip
    rows = []
    for network in NETWORKS:
        model_dir = folder / network
        command(
            "trainer.gpu_model", *data, f"--model_dir={model_dir}", f"--network={network}", "--validation_share=0",
            f"--training_steps={STEPS}", "--warmup_steps=0", "--batch_size=32", "--export_format", *EXPORT_FORMATS,
        )  # fmt: skip
        rows += in_new_process(partial(_rows, network, model_dir))
    return rows


def _rows(network: str, model_dir: Path) -> list[Row]:
    import_tensorflow()
    images = smooth_images(TEST, seed=1)
    pixels, expected = images.pixels.astype(np.float32), _predictions(model_dir, images.names)
    predict = {name: partial(_in_batches, one, pixels) for name, one in _load(model_dir)}
    times = side_by_side(predict, rounds=3)
    rows = []
    for name, function in predict.items():
        path = model_dir / FILES[name]
        files = path.rglob("*") if path.is_dir() else [path]
        size = sum(file.stat().st_size for file in files if file.is_file())
        speed = f"{size:,} bytes, {TEST / times.median(name):.0f} images/s"
        title = f"{network}, {name}: largest difference to predictions.csv on {TEST} images"
        rows.append(Row(title, speed, "", float(np.abs(function() - expected).max()), "<= 0.001"))
    return rows


def _predictions(model_dir: Path, names: tuple[str, ...]) -> np.ndarray:
    """Returns the probabilities in predictions.csv, in the order of the names."""
    with (model_dir / "predictions.csv").open() as file:
        rows = {
            row["name"]: [float(row[f"probability_{category}"]) for category in "1234"] for row in csv.DictReader(file)
        }
    return np.array([rows[name] for name in names])


def _load(model_dir: Path) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Yields each format with its function from pixels to probabilities, on both cores."""
    import keras
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model_dir / FILES["saved_model"]))
    yield "saved_model", lambda pixels: loaded.signatures["serving_default"](pixels=pixels)["probabilities"].numpy()
    model = keras.saving.load_model(model_dir / FILES["keras"])
    yield "keras", model.predict_on_batch
    lite = tf.lite.Interpreter(str(model_dir / FILES["litert"]), num_threads=2).get_signature_runner()
    yield "litert", lambda pixels: next(iter(lite(pixels=pixels).values()))


def _in_batches(predict: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """Predicts in batches of one size; the last one is filled with black images."""
    padded = np.concatenate([pixels, np.zeros((-len(pixels) % BATCH, *pixels.shape[1:]), np.float32)])
    return np.concatenate([predict(batch) for batch in np.split(padded, len(padded) // BATCH)])[: len(pixels)]
