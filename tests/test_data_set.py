"""The code of docs/data_set.md, run in an environment with the tools that it names and without this project.

Each piece of code runs in a folder that contains a data set as `OUT`; then a few more lines print what it has loaded.
The expected labels and pixels are read with Pillow and csv.
"""

import csv
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import preprocess
from preprocess.cases import catalogue
from tests import ROOT
from tests.support.environments import make_environment
from tests.support.films import Described, random_film, write_csv, write_dicom

TEXT = (ROOT / "docs/data_set.md").read_text()
CODE = dict(re.findall(r"^## (.+?)\n(?:(?!^## ).)*?```python\n(.+?)```", TEXT, re.MULTILINE | re.DOTALL))
TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 8)]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(11, 16)]
DIGEST = """
import hashlib, json, numpy
def digest(pixels):
    pixels = numpy.asarray(pixels)
    assert numpy.array_equal(pixels, pixels.astype(numpy.uint16))
    return hashlib.sha256(pixels.astype("<u2").tobytes()).hexdigest()
"""


def write_films(root, train, test):
    for name, films in (("train", train), ("test", test)):
        write_csv(root / f"{name}.csv", films)
        for number, film in enumerate(films):
            write_dicom(root / "images" / film.path, random_film(number + len(films)))


def make(root, *words, out="OUT"):
    argv = ["--input", root / "images", "--output", root / out, "--direct_num_workers", "1", *words]
    csvs = ["--train_csv", root / "train.csv", "--test_csv", root / "test.csv"]
    assert preprocess.main([str(word) for word in [*argv, *([] if "--max_rejected" in words else csvs)]]) == 0
    return root / out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data sets: OUT, two with several shards, and one of films in the catalogue of CBIS-DDSM."""
    root = tmp_path_factory.mktemp("data")
    write_films(root, TRAIN, TEST)
    make(root)
    make(root, "--tfrecord_shards", "3", out="sharded")
    make(root, "--tfrecord_shards", "9", "--test_count", "1", out="more_shards_than_images")
    entries = [entry for entry in catalogue.entries() if entry.density != "0"]
    chosen = [next(e for e in entries if (e.split, e.density) == key) for key in (("train", "2"), ("test", "3"))]
    for number, entry in enumerate(chosen):
        write_dicom(root / "cbis" / f"{entry.series_uid}.dcm", random_film(number))
    argv = [
        "--input",
        root / "cbis",
        "--output",
        root / "catalogued",
        "--max_rejected",
        "1",
        "--direct_num_workers",
        "1",
    ]
    assert preprocess.main([str(word) for word in argv]) == 0
    return root


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with the tools."""
    return make_environment(tmp_path_factory.mktemp("tools") / "venv", ["-r", ROOT / "requirements/tools.txt"])


@pytest.fixture
def run(python, folder, tmp_path):
    """A function that runs a program in the folder and returns what it prints last, read as JSON."""
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "huggingface"),
               "PATH": os.environ["PATH"], "HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3", "http_proxy": "http://localhost:1",
               "https_proxy": "http://localhost:1"}  # fmt: skip

    def run(program, interpreter=python):
        command = [str(interpreter), "-c", program]
        ran = subprocess.run(command, cwd=folder, env=offline, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    return run


def expected(out):
    """Returns name -> (split, label, SHA-256 of the pixels), in the order of dataset.csv, read from the PNGs."""
    with (out / "dataset.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {
        row["name"]: [
            row["split"],
            int(row["density"]) - 1,
            pixel_digest(out / f"small_{row['split']}/{row['name']}.png"),
        ]
        for row in rows
    }


def pixel_digest(path):
    with Image.open(path) as image:
        assert (image.mode, image.size) == ("I;16", (95, 128))
        return hashlib.sha256(np.asarray(image).astype("<u2").tobytes()).hexdigest()


def training_set(out):
    return [[label, digest] for split, label, digest in expected(out).values() if split == "train"]


def test_each_tool_has_at_most_ten_lines():
    assert list(CODE) == [
        "TensorFlow Datasets", "Hugging Face datasets", "Croissant", "Keras", "PyTorch", "tf.data"]  # fmt: skip
    assert len(CODE) == TEXT.count("```python")
    assert max(len([line for line in code.splitlines() if line.strip()]) for code in CODE.values()) <= 10


TFDS = """
print(json.dumps({
    example["name"].numpy().decode(): [split, int(example["label"]), digest(example["image"])]
    for split, examples in (("train", train), ("test", test)) for example in examples}))
"""


@pytest.mark.parametrize("out", ["OUT", "more_shards_than_images", "catalogued"])
def test_tensorflow_datasets(out, run, folder):
    code = CODE["TensorFlow Datasets"].replace("OUT", out)
    assert run(code + DIGEST + TFDS) == expected(folder / out)


def test_what_tensorflow_datasets_says(run, folder):
    info = """
info = builder.info
print(json.dumps([
    info.name, str(info.version), info.features["label"].names, list(info.features["image"].shape),
    {name: [split.num_examples, split.shard_lengths, int(split.num_bytes)] for name, split in info.splits.items()},
    len(list(builder.as_dataset(split="train[:3]", as_supervised=True)))]))
"""
    name, version, names, shape, splits, first = run(
        CODE["TensorFlow Datasets"].replace("OUT", "sharded") + DIGEST + info)  # fmt: skip
    assert (name, version, names, shape, first) == ("breast_density", "2.0.0", ["1", "2", "3", "4"], [128, 95], 3)
    for split, stem in (("train", "ddsm_train"), ("test", "ddsm_eval")):
        files = [folder / f"sharded/cache/{stem}-0000{n}-of-00003.tfrecords" for n in range(3)]
        records = [[len(record.numpy()) for record in tf.data.TFRecordDataset(str(file))] for file in files]
        assert splits[split] == [sum(map(len, records)), list(map(len, records)), sum(map(sum, records))]


HUGGING_FACE = """
print(json.dumps({
    row["name"]: [split, row["density"] - 1, digest(row["image"]), row["image"].mode,
                  row["patient"], row["side"], row["view"]]
    for split, rows in data.items() for row in rows}))
"""


def test_hugging_face(run, folder):
    (folder / "OUT/report.html").write_text("<p>")
    found = run(CODE["Hugging Face datasets"] + DIGEST + HUGGING_FACE)
    films = {f"{film.density}_{film.mammogram_id}": film for film in [*TRAIN, *TEST]}
    assert found == {
        name: [*values, "I;16", films[name].patient, films[name].side, films[name].view]
        for name, values in expected(folder / "OUT").items()
    }


CROISSANT = """
# The records of a set can be read once from a Dataset of mlcroissant.
print(json.dumps([
    {row["table/name"].decode(): [row["table/split"].decode(), row["table/density"] - 1, digest(image)]
     for row, image in zip(rows, images, strict=True)},
    [{key.split("/")[1]: value.decode() if isinstance(value, bytes) else str(value) for key, value in row.items()}
     for row in rows],
    sorted([row["images/name"].decode(), row["images/density"], row["images/view"].decode()]
           for row in mlcroissant.Dataset(jsonld="OUT/croissant.json").records("images")),
    sorted(data.metadata.ctx.issues.warnings)]))
"""


@pytest.mark.parametrize("out", ["OUT", "catalogued"])
def test_croissant(out, run, folder):
    images, rows, joined, warnings = run((CODE["Croissant"] + DIGEST + CROISSANT).replace("OUT", out))
    assert images == expected(folder / out)
    with (folder / out / "dataset.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert rows == table
    assert joined == sorted([row["name"], int(row["density"]), row["view"]] for row in table)
    recommended = ["datePublished"] if out == "catalogued" else ["citeAs", "datePublished"]
    assert [re.search(r'/(\w+)" is recommended', warning)[1] for warning in warnings] == recommended


def test_croissant_validate(python, folder, tmp_path):
    command = [python.with_name("mlcroissant"), "validate", "--jsonld", folder / "OUT/croissant.json"]
    ran = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (ran.returncode, "Done." in ran.stderr, "error" in ran.stderr) == (0, True, False), ran.stderr


def test_croissant_notices_a_changed_file(run, folder):
    """The checksums in croissant.json are compared by the tool, for example that of dataset.csv."""
    path = folder / "OUT/dataset.csv"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole.replace(b"LEFT", b"left"))
        message = run("""
import json, mlcroissant
try:
    list(mlcroissant.Dataset(jsonld="OUT/croissant.json").records("table"))
except Exception as error:
    print(json.dumps(f"{error} {error.__cause__}"))
""")
        assert hashlib.sha256(whole).hexdigest() in message
    finally:
        path.write_bytes(whole)


def test_keras(run, folder):
    show = "print('\\n' + json.dumps([[int(label), digest(image)] for label, image in zip(labels, images)]))"
    assert run(CODE["Keras"] + DIGEST + show) == training_set(folder / "OUT")


def test_pytorch(run, folder):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    show = """
assert sum(len(labels) for _, labels in train) == len(rows) and next(iter(train))[0].shape[1:] == (1, 128, 95)
print(json.dumps([[label, digest(numpy.round(image[0].double().numpy() * 65535))] for image, label in train.dataset]))
"""
    assert run(CODE["PyTorch"] + DIGEST + show, interpreter=sys.executable) == training_set(folder / "OUT")


@pytest.mark.parametrize("out", ["OUT", "sharded"])
def test_tf_data(out, run, folder):
    show = "print(json.dumps([[int(label), digest(image)] for image, label in train]))"
    assert run(CODE["tf.data"].replace("OUT", out) + DIGEST + show) == training_set(folder / out)
