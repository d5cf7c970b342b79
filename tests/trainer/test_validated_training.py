"""Trainings of the residual network with validation, on small images."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.special import softmax
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from preprocess.contract import schema
from tests.support.labelled import labelled_images, write_folder, write_records
from tests.trainer.test_trainers import assert_same_weights, history
from trainer import gpu_model, tpu_model
from trainer.data.validation_split import place_of

FLAGS = ["--image_height=16", "--image_width=12", "--batch_size=16", "--precision=float32", "--training_steps=60",
         "--eval_every=15", "--checkpoint_steps=40", "--warmup_steps=10", "--validation_share=0.25",
         "--keep=best"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 120, 0), ("test", 40, 1)):
        names, pixels, labels = labelled_images(count, seed)
        write_folder(root / split, names, pixels)
        order = sorted(range(count), key=lambda n: schema.record_order(names[n][2:]))
        write_records(root / f"{split}.tfrecords", [names[n] for n in order], pixels[order], labels[order])
    return root


def train(data, model_dir, *flags):
    argv = [f"--training_data_dir={data}/train", f"--eval_data_dir={data}/test", f"--model_dir={model_dir}"]
    return gpu_model.main([*argv, *FLAGS, *flags])


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("trained") / "model"
    assert train(data, model_dir) == 0
    return model_dir


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def held_out(data):
    """The validation images: (N, H, W) pixels and (N,) labels."""
    paths = sorted(path for path in (data / "train").iterdir() if place_of(path.stem.split("_LEFT")[0][-7:]) < 0.25)
    return np.stack([np.asarray(Image.open(path)) for path in paths]), np.array([int(p.name[0]) - 1 for p in paths])


def test_the_best_weights_are_evaluated_and_exported(trained, data):
    rows = table(trained / "validation.csv")
    assert [int(row["step"]) for row in rows] == [15, 30, 45, 60]
    best = max(rows, key=lambda row: (float(row["quadratic_weighted_kappa"]), -float(row["loss"])))
    assert [path.name for path in trained.glob("best-*")] == [f"best-{best['step']}.weights.h5"]
    assert json.loads((trained / "metrics.json").read_text())["step"] == int(best["step"])
    model = keras.saving.load_model(trained / "model.keras", safe_mode=True)
    pixels, labels = held_out(data)
    probabilities = model(pixels[..., None].astype(np.float32)).numpy()
    assert np.mean(probabilities.argmax(axis=1) == labels) == float(best["accuracy"])
    assert -np.log(probabilities[np.arange(len(labels)), labels]).mean() == pytest.approx(float(best["loss"]), abs=1e-4)


def test_the_held_out_patients_are_not_trained_on(trained, data):
    pixels, _ = held_out(data)
    identity = json.loads((trained / "training.json").read_text())
    assert identity["training_set"]["images"] == 120 - len(pixels)
    assert identity["architecture"]["network"] == "residual"


def test_the_learning_rate_rises_and_falls_along_half_a_cosine(trained):
    rates = [float(row["learning_rate"]) for row in history(trained)]
    steps = np.arange(60)
    expected = np.where(steps < 10, 0.002 * steps / 10, 0.001 * (1 + np.cos(np.pi * (steps - 10) / 50)))
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-9)


def test_tensorboard_shows_validations_and_augmented_images(trained):
    board = EventAccumulator(str(trained / "tensorboard/validation")).Reload()
    found = {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in board.Tensors("loss")}
    rows = table(trained / "validation.csv")
    assert found == {int(row["step"]): pytest.approx(float(row["loss"]), rel=1e-6) for row in rows}
    board = EventAccumulator(str(trained / "tensorboard/train")).Reload()
    width, height, _ = tf.make_ndarray(board.Tensors("augmentation")[0].tensor_proto)
    assert (int(width), int(height)) == (8 * (12 + 2), 5 * (16 + 2))


def test_folders_and_records_train_the_same_model(trained, data, tmp_path):
    argv = [f"--training_data={data}/train.tfrecords", f"--eval_data={data}/test.tfrecords",
            f"--model_dir={tmp_path}/m"]  # fmt: skip
    assert tpu_model.main([*argv, *FLAGS]) == 0
    for path in trained.glob("*.*"):
        if path.suffix in {".csv", ".json", ".h5"} and path.name != "speed.csv":
            assert (tmp_path / "m" / path.name).read_bytes() == path.read_bytes(), path.name
    assert_same_weights(tmp_path / "m", trained)


def test_the_last_weights_are_kept_if_wanted(trained, data, tmp_path):
    assert train(data, tmp_path / "m", "--keep=last") == 0
    assert json.loads((tmp_path / "m/metrics.json").read_text())["step"] == 60
    assert (tmp_path / "m/validation.csv").read_bytes() == (trained / "validation.csv").read_bytes()


def test_patience_ends_the_training_and_it_stays_ended(data, tmp_path, capfd):
    flags = ("--patience=1", "--learning_rate=1e-12")
    assert train(data, tmp_path / "m", *flags) == 0
    line = "no higher kappa in the last 1 validations: the training ends after step 30"
    assert line in capfd.readouterr().out
    assert len(history(tmp_path / "m")) == 30
    assert train(data, tmp_path / "m", *flags) == 0
    assert line in capfd.readouterr().out
    assert len(history(tmp_path / "m")) == 30


def test_a_calibrated_model_has_the_temperature_with_the_lowest_cross_entropy(trained, data, tmp_path, capfd):
    assert train(data, tmp_path / "m", "--calibrate") == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("temperature ")]
    temperature = float(line.split()[1].rstrip(","))
    pixels, labels = held_out(data)
    inputs = pixels[..., None].astype(np.float32)
    plain, calibrated = (keras.saving.load_model(folder / "model.keras") for folder in (trained, tmp_path / "m"))
    logs = np.log(plain(inputs).numpy().astype(np.float64))
    expected = softmax(logs / temperature, axis=1)
    np.testing.assert_allclose(calibrated(inputs).numpy(), expected, atol=2e-3)
    losses = {t: -np.log(softmax(logs / t, axis=1)[np.arange(len(labels)), labels]).mean()
              for t in np.linspace(0.25, 4, 751)}  # fmt: skip
    assert min(losses, key=losses.get) == pytest.approx(temperature, abs=0.01)


def test_a_longer_schedule_is_a_changed_option(trained, data, tmp_path, capfd):
    assert train(data, tmp_path / "m", "--training_steps=20", "--eval_steps=0") == 0
    assert train(data, tmp_path / "m", "--training_steps=30", "--eval_steps=0") == 0
    assert "continues with a changed option: training_steps 20 -> 30" in capfd.readouterr().err


@pytest.mark.parametrize(("flags", "message"), [
    (["--fold=1"], "--fold 1 without --folds; give the number of folds, too"),
    (["--folds=3", "--fold=3"], "--fold 3: expected 0 to 2 with --folds 3"),
    (["--validation_share=0", "--patience=2"],
     "--patience needs validation images; give --validation_share or --folds"),
    (["--validation_share=0", "--calibrate"],
     "--calibrate needs validation images; give --validation_share or --folds"),
])  # fmt: skip
def test_options_that_contradict_each_other(data, tmp_path, capfd, flags, message):
    assert train(data, tmp_path / "m", *flags) == 2
    assert capfd.readouterr().err == f"error: {message}\n"


def test_a_model_of_another_network_is_refused(trained, data, capfd):
    assert train(data, trained, "--network=tutorial") == 2
    assert "contains a model with network residual, but this one has tutorial" in capfd.readouterr().err


def test_each_network_of_several_learns_as_if_alone(data, tmp_path):
    short = ["--keep=last", "--training_steps=12", "--warmup_steps=2", "--eval_steps=0"]
    for seeds in (1, 2):
        assert train(data, tmp_path / str(seeds), *short, f"--seeds={seeds}") == 0
    alone, both = (keras.saving.load_model(tmp_path / seeds / "model.keras", safe_mode=True) for seeds in "12")
    assert len(both.weights) == 2 * len(alone.weights)
    for one, first in zip(alone.get_layer("trunk").weights, both.get_layer("trunk").weights, strict=True):
        np.testing.assert_allclose(first.numpy(), one.numpy(), atol=1e-5)
    second = both.get_layer("trunk_2").get_layer("logits").kernel.numpy()
    assert np.abs(second - alone.get_layer("trunk").get_layer("logits").kernel.numpy()).max() > 1e-3


def test_several_seeds_need_the_residual_network(data, tmp_path, capsys):
    assert train(data, tmp_path / "m", "--network=tutorial", "--seeds=2") == 2
    assert "--seeds 2 with --network tutorial; expected --network residual" in capsys.readouterr().err
