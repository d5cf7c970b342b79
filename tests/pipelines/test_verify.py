"""Data sets of the job, with the damage that disks, interrupted copies and users can do to them."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines import preprocess, verify
from tests.support.films import Described, as_in_csv, random_film, write_csv

TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 7)]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(11, 15)]
SHARED = Described("Mass-Test_P_00003_LEFT_CC", "4")
LOST = Described("Calc-Training_P_00077_LEFT_CC", "2")
EVAL, TRAINING = "cache/ddsm_eval.tfrecords", "cache/ddsm_train.tfrecords"
IMAGE = "small_train/2_Calc-Training_P_00001_LEFT_CC.png"


def make(root, train, test, *words):
    """Runs the job on films of these mammograms; returns its output folder."""
    write_csv(root / "train.csv", [*train, LOST])
    write_csv(root / "test.csv", test)
    for number, film in enumerate([*train, *test]):
        as_in_csv(root / "images", film, random_film(number))
    argv = ["--input", root / "images", "--train_csv", root / "train.csv", "--test_csv", root / "test.csv"]
    argv += ["--output", root / "out", "--direct_num_workers", "1", "--max_rejected", "0.5", *words]
    assert preprocess.main([str(word) for word in argv]) == 0
    return root / "out"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("made"), TRAIN, TEST, "--image_height", "16", "--image_width", "12")


@pytest.fixture
def out(made, tmp_path):
    return shutil.copytree(made, tmp_path / "out")


@pytest.fixture
def faults(out, capsys):
    """A function that verifies a data set; returns the exit status and the faults, each as "file: what is wrong"."""

    def run(root=out):
        capsys.readouterr()
        status = verify.main([str(root)])
        captured = capsys.readouterr()
        assert (status == 1) == captured.err.startswith(f"error: {root}: ")
        return status, [line for line in captured.out.splitlines() if not line.startswith(("reading files", str(root)))]

    return run


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 4
    path.write_bytes(data)


def update_manifest(out, *files):
    """Replaces sizes and digests of files in the manifest by those of the files as they are now."""
    manifest = json.loads((out / "manifest.json").read_text())
    for file in files:
        data = (out / file).read_bytes()
        manifest["files"][file] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (out / "manifest.json").write_text(json.dumps(manifest))


def rewrite_records(path, change):
    """Reads the examples of a file, calls `change` with them, and writes them with correct checksums."""
    examples = [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    change(examples)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())


def feature(example, name, kind="int64_list"):
    return getattr(example.features.feature[name], kind).value


def test_an_intact_data_set(faults, out, made, capsys):
    assert faults() == (0, [])
    (out / "report.html").write_text("<p>")  # not a file of the data set, but not a fault either
    assert verify.main([str(out)]) == 0
    output = capsys.readouterr().out
    assert f"{out}: 10 images in 21 files agree with the manifest, and each PNG with its record" in output


def test_a_flipped_bit_in_a_png(faults, out):
    flip(out / IMAGE, 60)
    status, listed = faults()
    assert status == 1
    assert [line.split(":")[0] for line in listed] == [IMAGE, IMAGE]
    assert "its SHA-256 is " in listed[1]
    assert "expected a 16-bit gray PNG" in listed[0]  # the PNG's own checksum


def test_a_flipped_bit_in_a_record(faults, out):
    flip(out / TRAINING, 200)
    status, listed = faults()
    assert status == 1
    assert any(line.startswith(f"{TRAINING}: its SHA-256 is") for line in listed)
    assert f"{TRAINING}: record 0: its checksum is wrong" in listed


def test_a_flipped_bit_in_the_table(faults, out):
    flip(out / "dataset.csv", -3)
    status, listed = faults()
    assert status == 1
    assert any(line.startswith("dataset.csv: its SHA-256 is") for line in listed)


def test_a_missing_file(faults, out):
    (out / IMAGE).unlink()
    assert faults() == (1, [f"{IMAGE}: is missing"])


def test_a_missing_table(faults, out):
    (out / "dataset.csv").unlink()
    status, listed = faults()
    assert status == 1
    assert "dataset.csv: is missing" in listed
    assert any(line.startswith("dataset.csv: cannot be compared with other files: ") for line in listed)


def test_a_damaged_rejected_jsonl(faults, out):
    (out / "rejected.jsonl").write_text("{")
    update_manifest(out, "rejected.jsonl")
    (fault,) = faults()[1]
    assert fault.startswith("rejected.jsonl: cannot be compared with other files: ")


def test_extra_files(faults, out):
    for name in ("small_test/4_other", "notes.txt"):
        (out / name).write_text("x")
    assert faults() == (1, [f"{name}: is not a file of this data set" for name in ("notes.txt", "small_test/4_other")])


@pytest.mark.parametrize("bytes_lost", [1, 500, 2000])
def test_a_truncated_tfrecord(faults, out, bytes_lost):
    data = (out / EVAL).read_bytes()
    (out / EVAL).write_bytes(data[:-bytes_lost])
    status, listed = faults()
    assert status == 1
    assert f"{EVAL}: has {len(data) - bytes_lost:,} bytes; expected {len(data):,}, as in the manifest" in listed
    assert any("the file ends within it" in line for line in listed)
    assert any(line.startswith(f"{EVAL}: the test records lack ") for line in listed)


def test_records_lost_between_two_records(faults, out):
    rewrite_records(out / EVAL, lambda examples: examples.pop())
    update_manifest(out, EVAL)
    (fault,) = faults()[1]
    assert fault.startswith(f"{EVAL}: the test records lack 1 of 4 images, such as ")


def test_a_swapped_label(faults, out):
    def swap(examples):
        first, second = (feature(example, "label") for example in examples[:2])
        first[0], second[0] = second[0], first[0]

    rewrite_records(out / TRAINING, swap)
    update_manifest(out, TRAINING)
    status, listed = faults()
    assert status == 1
    assert [line.partition(" (")[0] for line in listed] == [f"{TRAINING}: record 0", f"{TRAINING}: record 1"]
    assert all("its label is" in line for line in listed)


def test_swapped_images(faults, out):
    one, other = sorted((out / "small_test").glob("*.png"))[:2]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    update_manifest(out, f"small_test/{one.name}", f"small_test/{other.name}")
    status, listed = faults()
    assert status == 1
    assert len(listed) == 2
    assert all("its pixels are not those of small_test/" in line for line in listed)


def test_records_in_another_order(faults, out):
    rewrite_records(out / EVAL, lambda examples: examples.reverse())
    update_manifest(out, EVAL)
    assert faults() == (1, [f"{EVAL}: the test records are in another order; expected that of dataset.csv"])


def test_an_image_of_another_size(faults, out):
    Image.fromarray(np.zeros((16, 13), np.uint16)).save(out / IMAGE)
    update_manifest(out, IMAGE)
    assert f"{IMAGE}: 2_Calc-Training_P_00001_LEFT_CC is 13 x 16 pixels; expected 12 x 16" in faults()[1]


def test_a_missing_row(faults, out):
    lines = (out / "dataset.csv").read_text().splitlines(keepends=True)
    missing = lines.pop(2)
    (out / "dataset.csv").write_text("".join(lines))
    update_manifest(out, "dataset.csv")
    status, listed = faults()
    name, split, density = missing.split(",")[:3]
    assert status == 1
    assert f"small_{split}/{name}.png: has no row in dataset.csv" in listed
    assert any(
        f"{split} images of density {density}; expected " in line and line.endswith(", as in the manifest")
        for line in listed
    )
    assert any(
        "mammograms are images or omissions; expected 11, as in the case descriptions" in line for line in listed
    )


def test_a_patient_in_both_splits(faults, tmp_path):
    out = make(tmp_path / "kept", TRAIN, [*TEST, SHARED], "--patient_overlap", "keep")
    assert faults(out)[0] == 0  # the manifest contains the option
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["parameters"]["patient_overlap"] = "drop"
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert faults(out) == (1, ["dataset.csv: patient P_00003 is in the training set and in the test set"])


def test_a_row_with_another_patient_than_its_name(faults, out):
    text = (out / "dataset.csv").read_text()
    (out / "dataset.csv").write_text(text.replace(",P_00001,", ",P_00002,"))
    update_manifest(out, "dataset.csv")
    assert faults() == (
        1, ["dataset.csv: 2_Calc-Training_P_00001_LEFT_CC has another patient in its row, P_00002"],
    )  # fmt: skip


def test_a_missing_omission(faults, out):
    assert LOST.mammogram_id in (out / "rejected.jsonl").read_text()
    (out / "rejected.jsonl").write_text("")
    update_manifest(out, "rejected.jsonl")
    status, listed = faults()
    assert status == 1
    assert listed == [
        "rejected.jsonl: 10 mammograms are images or omissions; expected 11, as in the case descriptions",
        "rejected.jsonl: has 0 rejected; expected 1, as in the manifest",
    ]


def test_shards(faults, tmp_path):
    out = make(tmp_path / "shards", TRAIN, TEST, "--tfrecord_shards", "3")
    assert faults(out) == (0, [])
    (out / "cache/ddsm_train-00001-of-00003.tfrecords").unlink()
    status, listed = faults(out)
    assert status == 1
    assert "cache/ddsm_train-00001-of-00003.tfrecords: is missing" in listed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: (out / "manifest.json").unlink(), "contains no manifest.json, so it is not a finished data set"),
        (lambda out: (out / "manifest.json").write_text("[]"), "not a manifest of this job"),
        (lambda out: (out / "manifest.json").write_bytes(b"\xff{"), "not a manifest of this job"),
        (lambda out: shutil.rmtree(out), "contains no manifest.json, so it is not a finished data set"),
    ],
)
def test_an_incomplete_or_missing_data_set(damage, message, out, capsys):
    damage(out)
    assert verify.main([str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
