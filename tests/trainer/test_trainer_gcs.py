"""Both trainers with images and models in gs://: the real client library and a storage emulator on localhost."""

import csv
import io
import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.support.cloud import upload
from tests.support.labelled import FLAGS, labelled_images, write_folder, write_records


@pytest.fixture(scope="module")
def data(bucket, tmp_path_factory):
    """(bucket with folders and shards of images, environment variables, folder with the same files)."""
    films, environment = bucket
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 24, 0), ("test", 9, 1)):
        names, pixels, labels = labelled_images(count, seed)
        write_folder(root / "set" / split, names, pixels, ending="")
        for shard in range(2):
            write_records(root / f"cache/{split}-{shard:05d}-of-00002.tfrecords", names[shard::2], pixels[shard::2],
                          labels[shard::2])  # fmt: skip
    upload(root, films, "")
    return films, environment, root


def run(module, environment, *argv):
    command = [sys.executable, "-m", f"trainer.{module}", *FLAGS, "--checkpoint_steps=5", *argv]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def objects(films, prefix):
    return {blob.name.removeprefix(prefix) for blob in films.list_blobs(prefix=prefix)}


def without_event_files(names):
    return {name for name in names if not name.startswith("tensorboard/")}  # event files have the time in their names


def test_gpu_model_continues_from_a_bucket(data, tmp_path):
    films, environment, root = data
    folders = ["--data_bucket=films", "--training_data_dir=set/train", "--eval_data_dir=set/test"]
    first = run("gpu_model", environment, *folders, "--model_dir=gs://films/models/a", "--training_steps=7")
    assert first.returncode == 0, first.stderr
    assert {"ckpt-5.index", "ckpt-7.index"} <= objects(films, "models/a/")
    second = run("gpu_model", environment, *folders, "--model_dir=gs://films/models/a", "--training_steps=12")
    assert second.returncode == 0, second.stderr
    assert "continues from its checkpoint of step 7" in second.stdout
    folders = [f"--training_data_dir={root}/set/train", f"--eval_data_dir={root}/set/test"]
    local = run("gpu_model", {}, *folders, f"--model_dir={tmp_path}/m", "--training_steps=12")
    assert local.returncode == 0, local.stderr
    expected = {str(path.relative_to(tmp_path / "m")) for path in (tmp_path / "m").rglob("*") if path.is_file()}
    stored = objects(films, "models/a/")
    assert without_event_files(stored) == without_event_files(expected)
    assert {"ckpt-10.index", "ckpt-12.index", "model.keras", "export/saved_model.pb"} < stored
    assert any(name.startswith("tensorboard/train/events") for name in stored)
    for name in ("history.csv", "metrics.json", "predictions.csv", "training.json"):
        content = films.blob(f"models/a/{name}").download_as_bytes()
        assert content == (tmp_path / "m" / name).read_bytes(), name


def test_tpu_model_reads_shards_in_a_bucket(data):
    films, environment, root = data
    argv = ["--training_data=gs://films/cache/train-*", "--eval_data=gs://films/cache/test-?????-of-00002.tfrecords"]
    ran = run("tpu_model", environment, *argv, "--model_dir=gs://films/models/b", "--training_steps=2")
    assert ran.returncode == 0, ran.stderr
    assert "training: 24 images, 6, 6, 6, 6 of density 1 to 4" in ran.stdout
    rows = list(csv.DictReader(io.StringIO(films.blob("models/b/predictions.csv").download_as_text())))
    assert {row["name"] for row in rows} == {path.name for path in (root / "set/test").iterdir()}


@pytest.mark.parametrize(("module", "argv", "message"), [
    ("gpu_model", ["--training_data_dir=gs://films/none", "--eval_data_dir=gs://films/none"],
     "error: gs://films/none: this folder does not exist or contains no files; name a folder of images"),
    ("tpu_model", ["--training_data=gs://films/none*", "--eval_data=gs://films/none"],
     "error: gs://films/none*: no such file, and no file matches it; name TFRecord files"),
    ("tpu_model", ["--training_data=gs://nobody/x", "--eval_data=gs://nobody/x"],
     "error: gs://nobody/x: cannot be listed (there is no bucket of this name)"),
])  # fmt: skip
def test_missing_input_ends_a_run_with_one_line(data, module, argv, message):
    _, environment, _ = data
    ran = run(module, environment, *argv, "--model_dir=gs://films/models/c")
    assert ran.returncode == 2
    assert ran.stderr.startswith(message)
    assert ran.stderr.count("\n") == 1
