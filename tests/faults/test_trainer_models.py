"""Code in a model folder is never run: the tests put files with code where a loader of models would look for them."""

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
    """An object whose pickle creates a folder when it is loaded."""

    def __init__(self, canary):
        self._canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self._canary),)


def write_keras(path, canary):
    """Writes a model whose Lambda layer contains marshalled code that creates a folder when the model is called."""
    source = f"lambda x: (__import__('os').mkdir({str(canary)!r}), x)[1]"
    inputs = keras.Input((4, 4, 1), name="pixels")
    outputs = keras.layers.Lambda(eval(source), output_shape=(4, 4, 1))(inputs)
    keras.Model(inputs, outputs).save(path)
    assert not canary.exists()


def write_saved_model(folder, canary):
    """Writes a SavedModel whose graph writes a file when it is called."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1], tf.float32, name="pixels")])
    def serve(pixels):
        tf.io.write_file(str(canary), "run")
        return {"classes": tf.argmax(tf.reshape(pixels, [-1, 16]), axis=1)}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})


@pytest.fixture
def planted(trained, tmp_path):
    """(a copy of the model folder with code in every file that can contain code, the path that this code creates)."""
    model_dir, canary = shutil.copytree(trained / "half", tmp_path / "m"), tmp_path / "canary"
    write_keras(model_dir / "model.keras", canary)
    shutil.rmtree(model_dir / "export")
    write_saved_model(model_dir / "export", canary)
    for name in ("model.pkl", "optimizer.pickle", "weights.npy", "ckpt-20.pkl", "ckpt-20.data", "saved_model.pb"):
        (model_dir / name).write_bytes(pickle.dumps(Planted(canary)))
    for name in ("sitecustomize.py", "trainer.py", "conftest.py"):
        (model_dir / name).write_text(f"import os; os.mkdir({str(canary)!r})")
    return model_dir, canary


def removed(canary):
    """Removes what the code created; returns whether it was there."""
    exists = canary.exists()
    if exists:
        canary.rmdir() if canary.is_dir() else canary.unlink()
    return exists


def test_the_planted_code_works(planted):
    """Loaded by other means, each file creates the canary; otherwise the tests below could not fail."""
    model_dir, canary = planted
    pickle.loads((model_dir / "model.pkl").read_bytes())
    assert removed(canary)
    model = tf.saved_model.load(model_dir / "export")
    model.signatures["serving_default"](pixels=tf.zeros((1, 4, 4, 1)))
    assert removed(canary)
    keras.saving.load_model(model_dir / "model.keras", safe_mode=False)(tf.zeros((1, 4, 4, 1)))
    assert removed(canary)


def test_keras_does_not_load_it_in_its_safe_mode(planted):
    """The documentation tells users to rely on this."""
    model_dir, canary = planted
    with pytest.raises(ValueError, match="safe_mode"):
        keras.saving.load_model(model_dir / "model.keras")
    assert not canary.exists()


@pytest.mark.parametrize("steps", [0, 30], ids=["evaluated", "trained on"])
def test_a_trainer_does_not_run_it(data, trained, planted, capfd, steps):
    """It does not read the exported models. A training replaces them by models with the weights of the checkpoint."""
    model_dir, canary = planted
    assert gpu_model.main(argv(data, model_dir, steps)) == 0
    assert not canary.exists()
    if steps == 0:
        for name in FINAL:
            assert (model_dir / name).read_bytes() == (trained / "half" / name).read_bytes(), name
        return  # the exports are left as they are
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
def test_an_invalid_training_json_ends_the_run_with_one_line(data, planted, capfd, text):
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


def test_the_report_does_not_run_it(planted, tmp_path):
    """Neither the files with code nor HTML in the tables of the model."""
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
