"""The exports of both trainers' networks, as other programs load them."""

import csv
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from preprocess.images.resize import pad_and_resize
from tests import ROOT
from tests.support.labelled import labelled_images, write_folder, write_records
from trainer import gpu_model
from trainer.data.film_statistics import FilmStatistics
from trainer.data.image_set import Statistics
from trainer.data.preparation import Preparation
from trainer.model_dir.folder import ModelDir
from trainer.network.networks import NETWORKS
from trainer.results.export import export
from trainer.results.model_info import ModelInfo
from trainer.settings import settings_for

SIZE = (16, 12)
FLAGS = ["--image_height=16", "--image_width=12", "--batch_size=8", "--training_steps=6", "--validation_share=0",
         "--learning_rate=0.01", "--warmup_steps=0"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 32, 0), ("test", 21, 1)):
        names, pixels, _ = labelled_images(count, seed, split=split.title())
        write_folder(root / split, names, pixels)
    return root


def train(data, model_dir, *flags):
    folders = [f"--training_data_dir={data}/train", f"--eval_data_dir={data}/test"]
    assert gpu_model.main([*folders, f"--model_dir={model_dir}", *FLAGS, *flags]) == 0
    return model_dir


def command(module, *argv):
    """Runs a command in a process of its own, which must succeed without messages on standard error."""
    ran = subprocess.run(
        [sys.executable, "-m", f"trainer.{module}", *argv], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def predicted(data, model_dir):
    """Returns the test images, (N, H, W, 1) float32, and their probabilities in predictions.csv."""
    with (model_dir / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    pixels = [np.asarray(Image.open(data / "test" / f"{row['name']}.png"), np.float32) for row in rows]
    return np.stack(pixels)[..., None], np.array([[float(row[f"probability_{c}"]) for c in "1234"] for row in rows])


def of_saved_model(model_dir, pixels):
    served = tf.saved_model.load(str(model_dir / "export")).signatures["serving_default"](pixels=tf.constant(pixels))
    np.testing.assert_array_equal(served["classes"], served["probabilities"].numpy().argmax(1))
    return served["probabilities"].numpy()


def of_keras(model_dir, pixels):
    return keras.saving.load_model(model_dir / "model.keras", safe_mode=True)(pixels).numpy()


def of_litert(model_dir, pixels):
    """The interpreter has no operations of TensorFlow, so the file must consist of LiteRT's own."""
    run = tf.lite.Interpreter(str(model_dir / "model.tflite")).get_signature_runner()
    [found] = run(pixels=pixels).values()
    [first] = run(pixels=pixels[:1]).values()  # another batch size
    np.testing.assert_allclose(first, found[:1], atol=1e-6)
    return found


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", ["residual", "tutorial"])
def test_all_exports_have_the_probabilities_that_were_evaluated(data, tmp_path, network, precision):
    flags = [f"--network={network}", f"--precision={precision}", "--export_format", "keras", "litert"]
    pixels, expected = predicted(data, train(data, tmp_path / "m", *flags))
    assert expected.max() - expected.min() > 0.1
    for found in (of_saved_model, of_keras, of_litert):
        np.testing.assert_allclose(found(tmp_path / "m", pixels), expected, rtol=0, atol=1e-5, err_msg=found.__name__)
    layers = keras.saving.load_model(tmp_path / "m/model.keras")._flatten_layers()
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    assert json.loads((tmp_path / "m/metrics.json").read_text())["precision"] == precision


def test_replicas_that_train_in_bfloat16_export_the_model_that_was_evaluated(data, tmp_path):
    for split, count, seed in (("train", 32, 0), ("test", 21, 1)):
        write_records(tmp_path / f"{split}.tfrecords", *labelled_images(count, seed, split=split.title()))
    records = [f"--training_data={tmp_path}/train.tfrecords", f"--eval_data={tmp_path}/test.tfrecords"]
    command("tpu_model", *records, f"--model_dir={tmp_path}/m", *FLAGS, "--network=tutorial", "--batch_size=32",
            "--precision=bfloat16", "--rehearse_tpu", "--num_shards=2")  # fmt: skip
    pixels, expected = predicted(data, tmp_path / "m")
    np.testing.assert_allclose(of_saved_model(tmp_path / "m", pixels), expected, rtol=0, atol=1e-5)


def test_the_same_model_is_exported_to_the_same_litert_file_without_messages_of_the_converter(data, tmp_path):
    flags = ["--precision=float32", "--eval_steps=0", "--export_format", "litert"]
    train(data, tmp_path / "a", *flags)
    command("gpu_model", f"--training_data_dir={data}/train", f"--model_dir={tmp_path}/b", *FLAGS, *flags)
    assert (tmp_path / "a/model.tflite").read_bytes() == (tmp_path / "b/model.tflite").read_bytes()


def test_the_saved_model_is_always_written_and_older_files_of_other_formats_are_deleted(data, tmp_path):
    def exports(*flags):
        names = {path.name for path in train(data, tmp_path / "m", "--eval_steps=0", *flags).iterdir()}
        return names & {"export", "model.keras", "model.tflite"}

    assert exports("--export_format", "litert") == {"export", "model.tflite"}
    assert exports() == {"export", "model.keras"}
    assert exports("--export_format", "saved_model") == {"export"}


def test_a_format_without_a_converter_is_refused(data, tmp_path, capfd):
    flags = [f"--training_data_dir={data}/train", f"--model_dir={tmp_path}/m", "--eval_steps=0"]
    assert gpu_model.main([*flags, "--export_format", "onnx"]) == 2
    assert "--export_format: invalid choice: 'onnx'" in capfd.readouterr().err


class Film:
    """A film in memory, as `pad_and_resize` reads it."""

    def __init__(self, pixels):
        self.pixels, (self.height, self.width) = pixels, pixels.shape

    def read_rows(self, start, stop):
        return self.pixels[start:stop]


def with_films(folder, canvas, method, size=SIZE):
    """Exports a network with random weights and a canvas; returns its signatures by name."""
    settings = settings_for("residual", model_dir="", height=size[0], width=size[1])
    model = NETWORKS["residual"].build(settings, Statistics(20000.0, 9e6), "float32")
    for number, variable in enumerate(model.trainable_variables):
        variable.assign_add(tf.random.stateless_normal(variable.shape, [1, number], stddev=0.1))
    folder.mkdir()
    statistics = FilmStatistics.of(np.ones((1, *size, 1), np.uint16))
    info = ModelInfo(size, 4, "residual", 1, statistics, Preparation(canvas, method, "0"), 1.0)
    export(model, info, tf.distribute.get_strategy(), ModelDir(str(folder), folder), (), lambda: None)
    loaded = tf.saved_model.load(str(folder / "export"))
    return loaded, loaded.signatures


@pytest.mark.parametrize("method", ["area", "nearest"])
def test_serve_films_pads_and_resizes_as_the_job_does(tmp_path, method):
    canvas = (123, 91)
    loaded, signatures = with_films(tmp_path / "m", canvas, method)
    rng = np.random.default_rng(0)
    for shape in (canvas, (123, 40), (57, 91), (60, 50), (1, 1)):
        film = rng.integers(0, 65536, shape).astype(np.uint16)
        served = signatures["serve_films"](film=tf.constant(film))
        pixels = pad_and_resize(Film(film), canvas, SIZE, method)[None, ..., None].astype(np.float32)
        expected = signatures["serving_default"](pixels=tf.constant(pixels))
        assert served.keys() == expected.keys() == {"classes", "probabilities"}
        for name, values in expected.items():
            np.testing.assert_array_equal(served[name], values)
    del loaded  # the signatures alone do not keep its variables


def test_serve_films_refuses_a_film_that_is_larger_than_the_canvas(tmp_path):
    loaded, signatures = with_films(tmp_path / "m", (123, 91), "area")
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the canvas, 123 pixels high and 91 wide"):
        signatures["serve_films"](film=tf.zeros((124, 91), tf.uint16))
    del loaded
