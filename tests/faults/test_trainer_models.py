"""What lies in a model's folder is never run: models that hold code, where they would be found if anybody looked."""

import json
import os
import pickle
import re
import shutil

import keras
import pytest
import tensorflow as tf

from pipelines import preprocess, report
from tests.faults.small_models import FINAL, argv, content, names_in
from tests.support.films import Described, as_in_csv, random_film, write_csv
from trainer import gpu_model


class Planted:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, canary):
        self._canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self._canary),)


def write_keras(path, canary):
    """A model whose Lambda layer holds marshalled code, which makes a folder when the model is called."""
    source = f"lambda x: (__import__('os').mkdir({str(canary)!r}), x)[1]"
    inputs = keras.Input((4, 4, 1), name="pixels")
    outputs = keras.layers.Lambda(eval(source), output_shape=(4, 4, 1))(inputs)
    keras.Model(inputs, outputs).save(path)
    assert not canary.exists()


def write_saved_model(folder, canary):
    """A model whose graph makes a file when it is called."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1], tf.float32, name="pixels")])
    def serve(pixels):
        tf.io.write_file(str(canary), "run")
        return {"classes": tf.argmax(tf.reshape(pixels, [-1, 16]), axis=1)}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})


@pytest.fixture
def planted(trained, tmp_path):
    """A copy of the model with code in every file that could hold some; and the canary that no run may leave."""
    model_dir, canary = shutil.copytree(trained / "half", tmp_path / "m"), tmp_path / "canary"
    write_keras(model_dir / "model.keras", canary)
    shutil.rmtree(model_dir / "export")
    write_saved_model(model_dir / "export", canary)
    for name in ("model.pkl", "optimizer.pickle", "weights.npy", "ckpt-20.pkl", "ckpt-20.data", "saved_model.pb"):
        (model_dir / name).write_bytes(pickle.dumps(Planted(canary)))
    for name in ("sitecustomize.py", "trainer.py", "conftest.py"):
        (model_dir / name).write_text(f"import os; os.mkdir({str(canary)!r})")
    return model_dir, canary


def gone(canary):
    """Whether the code was run; it can be again."""
    if found := canary.exists():
        canary.rmdir() if canary.is_dir() else canary.unlink()
    return found


def test_what_is_planted_bites(planted):
    """So that the tests below would fail if anything loaded it."""
    model_dir, canary = planted
    pickle.loads((model_dir / "model.pkl").read_bytes())
    assert gone(canary)
    model = tf.saved_model.load(model_dir / "export")
    model.signatures["serving_default"](pixels=tf.zeros((1, 4, 4, 1)))
    assert gone(canary)
    keras.saving.load_model(model_dir / "model.keras", safe_mode=False)(tf.zeros((1, 4, 4, 1)))
    assert gone(canary)


def test_keras_refuses_it_as_long_as_nobody_asks_for_less(planted):
    """What the documentation tells a user to rely on."""
    model_dir, canary = planted
    with pytest.raises(ValueError, match="safe_mode"):
        keras.saving.load_model(model_dir / "model.keras")
    assert not canary.exists()


@pytest.mark.parametrize("steps", [0, 30], ids=["evaluated", "trained on"])
def test_no_trainer_runs_it(data, trained, planted, capfd, steps):
    """It is replaced, unread, by what the checkpoint says."""
    model_dir, canary = planted
    assert gpu_model.main(argv(data, model_dir, steps)) == 0
    assert not canary.exists()
    if steps == 0:
        for name in FINAL:
            assert (model_dir / name).read_bytes() == (trained / "half" / name).read_bytes(), name
    model = keras.saving.load_model(model_dir / "model.keras")
    served = tf.saved_model.load(model_dir / "export").signatures["serving_default"](pixels=tf.zeros((1, 4, 4, 1)))
    assert served["classes"].numpy() == tf.argmax(model(tf.zeros((1, 4, 4, 1))), axis=1).numpy()
    assert not canary.exists()


@pytest.mark.parametrize("text", [
    "{}", "[]", "null", '{"format": 1}', '{"format": 1, "architecture": [], "training": 3}',
    '{"format": 1, "architecture": {"py/object": "os"}, "normalization": {}, "training_set": {}, "training": {}}',
    '{"format": 1, "architecture": {"__reduce__": ["os.mkdir", ["x"]]}, "normalization": {"mean": "__import__"}, '
    '"training_set": {"images": 1}, "training": {}}', "[" * 100_000, "\xff", "!!python/object/apply:os.mkdir [x]",
], ids=range(10))  # fmt: skip
def test_a_hostile_table_of_the_run_is_one_line(data, planted, capfd, text):
    model_dir, canary = planted
    (model_dir / "training.json").write_text(text, encoding="latin-1")
    before = names_in(model_dir)
    assert gpu_model.main(argv(data, model_dir, 30)) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {model_dir}")
    assert line.endswith("; choose another --model_dir")
    assert names_in(model_dir) == before
    assert not canary.exists()
    assert not (model_dir / "x").exists()


def test_the_report_shows_a_model_and_runs_nothing_of_it(planted, tmp_path):
    """Neither what lies beside the tables nor what stands in them."""
    model_dir, canary = planted
    split = {"train": Described("Calc-Training_P_00001_LEFT_CC", "1"), "test": Described("Calc-Test_P_2_LEFT_CC", "2")}
    for name, film in split.items():
        write_csv(tmp_path / f"{name}.csv", [film])
        as_in_csv(tmp_path / "images", film, random_film(1))
    words = ["--input", tmp_path / "images", "--output", tmp_path / "out", "--direct_num_workers=1"]
    words += ["--train_csv", tmp_path / "train.csv", "--test_csv", tmp_path / "test.csv"]
    assert preprocess.main(list(map(str, words))) == 0
    predictions, metrics = model_dir / "predictions.csv", model_dir / "metrics.json"
    predictions.write_text(re.sub("[1-4]_Calc", "1_<script>x()</script>Calc", predictions.read_text()))
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"precision": "<img src=x onerror=x()>"}))
    before = content(model_dir)
    assert report.main([str(tmp_path / "out"), "--model_dir", str(model_dir)]) == 0
    page = (tmp_path / "out/report.html").read_text()
    assert "quadratic weighted kappa" in page.lower()
    assert "<script>x()" not in page
    assert "<img src=x" not in page
    assert content(model_dir) == before
    assert not canary.exists()
