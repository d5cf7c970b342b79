"""The commands of both trainers, on small images."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.metrics import log_loss
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from preprocess.contract import schema
from tests.support.labelled import FLAGS, labelled_images, write_folder, write_records
from trainer import gpu_model, tpu_model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with the same images as PNG files and as TFRecords: 64 for training, 37 for evaluation."""
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 64, 0), ("test", 37, 1)):
        names, pixels, labels = labelled_images(count, seed, split=split.title())
        folder = write_folder(root / split, names, pixels)
        order = [names.index(path.stem) for path in folder.iterdir()]
        order.sort(key=lambda n: schema.record_order(names[n][2:]))
        write_records(root / f"{split}.tfrecords", [names[n] for n in order], pixels[order], labels[order])
    return root


def gpu_argv(data, model_dir, *flags):
    return [
        f"--training_data_dir={data}/train",
        f"--eval_data_dir={data}/test",
        f"--model_dir={model_dir}",
        *FLAGS,
        *flags,
    ]


def tpu_argv(data, model_dir, *flags):
    return [f"--training_data={data}/train.tfrecords", f"--eval_data={data}/test.tfrecords", f"--model_dir={model_dir}",
            *FLAGS, *flags]  # fmt: skip


def train(data, model_dir, *flags, main=gpu_model.main, argv=gpu_argv):
    return main(argv(data, model_dir, *flags))


def history(model_dir):
    with (model_dir / "history.csv").open() as file:
        return list(csv.DictReader(file))


def weights(model_dir):
    """Returns {name: value} of every variable of the last checkpoint."""
    path = tf.train.latest_checkpoint(str(model_dir))
    return {name: tf.train.load_variable(path, name) for name, _ in tf.train.list_variables(path)
            if not name.startswith(("_CHECKPOINTABLE", "save_counter"))}  # fmt: skip


def assert_same_weights(one, other):
    values, expected = weights(one), weights(other)
    assert values.keys() == expected.keys()
    assert sum(value.size for value in values.values()) > 300_000
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of a model that gpu_model trained for 60 steps."""
    model_dir = tmp_path_factory.mktemp("trained") / "model"
    assert train(data, model_dir, "--training_steps=60", "--checkpoint_steps=25") == 0
    return model_dir


def test_a_training_learns_and_writes_all_files(trained):
    names = {path.name for path in trained.iterdir()}
    assert names == {
        "checkpoint", "ckpt-50.index", "ckpt-50.data-00000-of-00001", "ckpt-60.index", "ckpt-60.data-00000-of-00001",
        "training.json", "history.csv", "speed.csv", "metrics.json", "predictions.csv", "model.keras", "export",
        "tensorboard", "model_card.md",
    }  # fmt: skip
    metrics = json.loads((trained / "metrics.json").read_text())
    assert (metrics["step"], metrics["images"], metrics["precision"]) == (60, 37, "float32")  # --precision in FLAGS
    assert metrics["accuracy"]["value"] > 0.9
    assert metrics["kappa"]["value"] > 0.9
    assert np.sum(metrics["confusion"]) == 37
    rows = history(trained)
    assert [int(row["step"]) for row in rows] == list(range(1, 61))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 2


def test_predictions_and_metrics_agree(trained, data):
    with (trained / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    metrics = json.loads((trained / "metrics.json").read_text())
    assert {row["name"] for row in rows} == {path.stem for path in (data / "test").iterdir()}
    labels = np.array([int(row["density"]) for row in rows])
    assert all(row["name"].startswith(f"{row['density']}_") for row in rows)
    probabilities = np.array([[float(row[f"probability_{c}"]) for c in (1, 2, 3, 4)] for row in rows])
    np.testing.assert_array_equal(probabilities.argmax(1) + 1, [int(row["predicted"]) for row in rows])
    assert metrics["accuracy"]["value"] == (probabilities.argmax(1) + 1 == labels).mean()
    assert metrics["loss"] == pytest.approx(log_loss(labels, probabilities), abs=1e-5)


def test_tensorboard_reads_the_event_files(trained):
    board = EventAccumulator(str(trained / "tensorboard/train")).Reload()
    assert set(board.Tags()["tensors"]) == {"loss", "accuracy", "learning_rate", "steps_per_second"}
    (first, last) = board.Tensors("loss")
    losses = [float(row["loss"]) for row in history(trained)]
    assert (first.step, last.step) == (50, 60)
    assert tf.make_ndarray(first.tensor_proto) == pytest.approx(np.mean(losses[:50]), rel=1e-5)
    assert tf.make_ndarray(last.tensor_proto) == pytest.approx(np.mean(losses[50:]), rel=1e-5)
    board = EventAccumulator(str(trained / "tensorboard/eval")).Reload()
    assert set(board.Tags()["tensors"]) == {
        "loss",
        "accuracy",
        "quadratic_weighted_kappa",
        "confusion_matrix",
        "reliability",
        "images",
    }
    width, height, png = tf.make_ndarray(board.Tensors("images")[0].tensor_proto)
    assert tf.io.decode_png(png).shape == (int(height), int(width), 3)


FRESH = """
import csv, json, sys
import numpy as np, tensorflow as tf
from PIL import Image
model_dir, folder = sys.argv[1:]
rows = list(csv.DictReader(open(f"{model_dir}/predictions.csv")))
pixels = np.stack([np.asarray(Image.open(f"{folder}/{row['name']}.png"), np.float32) for row in rows])[..., None]
served = tf.saved_model.load(f"{model_dir}/export").signatures["serving_default"](pixels=tf.constant(pixels))
assert sorted(served) == ["classes", "probabilities"]
assert not {"trainer", "preprocess", "pipelines"} & set(sys.modules)
json.dump({name: value.numpy().tolist() for name, value in served.items()}, sys.stdout)
"""


def test_the_saved_model_is_used_without_this_project(trained, data, tmp_path):
    argv = [sys.executable, "-c", FRESH, str(trained), str(data / "test")]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    served = json.loads(ran.stdout)
    with (trained / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = [[float(row[f"probability_{c}"]) for c in (1, 2, 3, 4)] for row in rows]
    np.testing.assert_allclose(served["probabilities"], expected, rtol=0, atol=1e-6)
    assert [label + 1 for label in served["classes"]] == [int(row["predicted"]) for row in rows]
    keras_model = keras.saving.load_model(trained / "model.keras", safe_mode=True)
    image = np.asarray(Image.open(data / "test" / f"{rows[0]['name']}.png"), np.float32)[None, ..., None]
    np.testing.assert_allclose(keras_model(image)[0], expected[0], atol=1e-6)


def test_folders_and_records_train_the_same_model(trained, data, tmp_path, capfd):
    flags = ("--training_steps=60", "--checkpoint_steps=25")
    assert train(data, tmp_path / "m", *flags, main=tpu_model.main, argv=tpu_argv) == 0
    assert (
        "no TPU is named by --tpu or the environment: training on the workers of TF_CONFIG, on GPUs or on the CPU"
        in capfd.readouterr().out
    )
    for name in ("history.csv", "metrics.json", "predictions.csv", "training.json"):
        assert (tmp_path / "m" / name).read_bytes() == (trained / name).read_bytes(), name
    assert_same_weights(tmp_path / "m", trained)


@pytest.mark.parametrize("iterations", [1, 7])
def test_iterations_do_not_change_the_result(trained, data, tmp_path, iterations):
    flags = ("--training_steps=60", f"--iterations={iterations}", "--checkpoint_steps=60")
    assert train(data, tmp_path / "m", *flags, main=tpu_model.main, argv=tpu_argv) == 0
    assert (tmp_path / "m/history.csv").read_bytes() == (trained / "history.csv").read_bytes()
    assert_same_weights(tmp_path / "m", trained)


def test_a_run_continues_up_to_the_total_number_of_steps(trained, data, tmp_path, capfd):
    assert train(data, tmp_path / "m", "--training_steps=20") == 0
    assert train(data, tmp_path / "m", "--training_steps=60", "--checkpoint_steps=25") == 0
    assert "continues from its checkpoint of step 20" in capfd.readouterr().out
    assert (tmp_path / "m/history.csv").read_bytes() == (trained / "history.csv").read_bytes()
    assert_same_weights(tmp_path / "m", trained)
    before = (tmp_path / "m/metrics.json").read_bytes()
    assert train(data, tmp_path / "m", "--training_steps=60", "--batch_size=16") == 0
    captured = capfd.readouterr()
    assert "60 steps are done, and --training_steps is a total of 60: no further training" in captured.out
    assert "continues with a changed option: batch_size 8 -> 16" in captured.err
    assert json.loads((tmp_path / "m/metrics.json").read_text())["confusion"] == json.loads(before)["confusion"]


def test_zero_training_steps_only_evaluate(trained, data, tmp_path, capfd):
    shutil.copytree(trained, tmp_path / "m")
    (tmp_path / "m/metrics.json").unlink()
    kept = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "m/training.json", *(tmp_path / "m/export").rglob("*"))
    }
    assert train(data, tmp_path / "m", "--training_steps=0", "--learning_rate=0.5") == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (tmp_path / "m/metrics.json").read_bytes() == (trained / "metrics.json").read_bytes()
    assert "step 60 of" not in capfd.readouterr().out
    assert train(data, tmp_path / "empty", "--training_steps=0") == 2
    assert "contains no checkpoint to evaluate; train with --training_steps first" in capfd.readouterr().err


def test_zero_evaluation_steps_skip_the_evaluation(data, tmp_path):
    assert train(data, tmp_path / "m", "--training_steps=2", "--eval_steps=0") == 0
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert "metrics.json" not in names
    assert {"export", "model.keras"} <= names


def test_a_training_without_evaluation_needs_no_evaluation_images(data, tmp_path, capfd):
    flags = ["--training_steps=2", "--eval_steps=0", *FLAGS]
    assert train(data, tmp_path / "m", *flags) == 0
    given = {gpu_model: f"--training_data_dir={data}/train", tpu_model: f"--training_data={data}/train.tfrecords"}
    for trainer, images in given.items():
        model_dir = tmp_path / trainer.__name__
        capfd.readouterr()
        assert trainer.main([images, f"--model_dir={model_dir}", *flags]) == 0
        assert "evaluation" not in capfd.readouterr().out
        assert (model_dir / "history.csv").read_bytes() == (tmp_path / "m/history.csv").read_bytes()
        assert trainer.main([images, f"--model_dir={model_dir}", *FLAGS]) == 2
        missing = "--eval_data_dir" if trainer is gpu_model else "--eval_data"
        assert capfd.readouterr().err == (
            f"error: no {missing}; name the evaluation images, or give --eval_steps 0 for no evaluation\n"
        )
        assert trainer.check([images, f"--model_dir={model_dir}", "--eval_steps=0"]) == [
            str(model_dir), images.partition("=")[2],
        ]  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 5, 37, 64])
def test_evaluation_does_not_depend_on_the_batch_size(trained, data, tmp_path, batch_size):
    shutil.copytree(trained, tmp_path / "m")
    assert train(data, tmp_path / "m", "--training_steps=0", f"--batch_size={batch_size}") == 0
    metrics, expected = (json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path / "m", trained))
    assert metrics["confusion"] == expected["confusion"]
    assert metrics["loss"] == pytest.approx(expected["loss"], abs=1e-6)


def test_the_first_loss_is_the_cross_entropy_of_the_untrained_model(data, tmp_path):
    """Without dropout; computed from the exported model of a run with a learning rate near zero."""
    flags = ("--training_steps=1", "--learning_rate=1e-30", "--dropout=0", "--batch_size=64")
    assert train(data, tmp_path / "m", *flags) == 0
    model = keras.saving.load_model(tmp_path / "m/model.keras")
    paths = list((data / "train").iterdir())
    pixels = np.stack([np.asarray(Image.open(path), np.float32) for path in paths])[..., None]
    probabilities = model(pixels).numpy().astype(np.float64)
    expected = log_loss([int(path.name[0]) - 1 for path in paths], probabilities, labels=range(4))
    (row,) = history(tmp_path / "m")
    assert float(row["loss"]) == pytest.approx(expected, abs=1e-5)


def test_balanced_weights_are_applied_to_the_loss(data, tmp_path):
    """With 16 images of category 1 and 4 of each other, the loss is the mean of the losses of the categories."""
    paths = sorted((data / "train").iterdir())
    chosen = paths[:16] + [path for c in "234" for path in [p for p in paths if p.name[0] == c][:4]]
    (tmp_path / "data/train").mkdir(parents=True)
    for path in chosen:
        shutil.copy(path, tmp_path / "data/train")
    shutil.copytree(data / "test", tmp_path / "data/test")
    flags = [
        "--training_steps=1",
        "--learning_rate=1e-30",
        "--dropout=0",
        "--batch_size=28",
        "--class_weights=balanced",
    ]
    assert train(tmp_path / "data", tmp_path / "m", *flags) == 0
    model = keras.saving.load_model(tmp_path / "m/model.keras")
    by_category = []
    for category in "1234":
        mine = [np.asarray(Image.open(path), np.float32) for path in chosen if path.name[0] == category]
        probabilities = model(np.stack(mine)[..., None]).numpy().astype(np.float64)
        by_category.append(-np.log(probabilities[:, int(category) - 1]).mean())
    (row,) = history(tmp_path / "m")
    assert float(row["loss"]) == pytest.approx(np.mean(by_category), abs=1e-5)


def test_permuted_labels_are_not_learned(data, tmp_path):
    rng = np.random.default_rng(0)
    shutil.copytree(data / "test", tmp_path / "data/test")
    (tmp_path / "data/train").mkdir()
    paths = sorted((data / "train").iterdir())
    for path, other in zip(paths, rng.permutation(paths), strict=True):
        shutil.copy(path, tmp_path / "data/train" / f"{Path(other).name[0]}{path.name[1:]}")
    assert train(tmp_path / "data", tmp_path / "m", "--training_steps=60") == 0
    metrics = json.loads((tmp_path / "m/metrics.json").read_text())
    assert metrics["accuracy"]["value"] < 0.5


def test_bfloat16_trains_an_equally_good_model(data, tmp_path, trained):
    assert train(data, tmp_path / "m", "--training_steps=60", "--precision=bfloat16") == 0
    kappas = [
        json.loads((folder / "metrics.json").read_text())["kappa"]["value"] for folder in (tmp_path / "m", trained)
    ]
    assert abs(kappas[0] - kappas[1]) <= 0.03
    assert history(tmp_path / "m")[-1]["loss"] != history(trained)[-1]["loss"]
    model = keras.saving.load_model(tmp_path / "m/model.keras")
    assert model.get_layer("conv2").compute_dtype == "float32"
