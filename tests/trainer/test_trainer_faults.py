"""Wrong input and failures: a run ends with one line and an exit status, before training if possible."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.support.labelled import FLAGS, labelled_images, write_folder, write_records
from trainer import gpu_model, tpu_model


@pytest.fixture
def data(tmp_path):
    for split, count, seed in (("train", 16, 0), ("test", 8, 1)):
        names, pixels, labels = labelled_images(count, seed)
        write_folder(tmp_path / split, names, pixels)
        write_records(tmp_path / f"{split}.tfrecords", names, pixels, labels)
    return tmp_path


@pytest.fixture
def train(data, capfd):
    """A function that runs gpu_model; returns its exit status and the captured output."""

    def run(*flags, training="train"):
        argv = [f"--training_data_dir={data}/{training}", f"--eval_data_dir={data}/test", f"--model_dir={data}/model"]
        status = gpu_model.main([*argv, *FLAGS, "--training_steps=3", *flags])
        return status, capfd.readouterr()

    return run


def errors(captured):
    return [line for line in captured.err.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(("flags", "message"), [
    (["--training_data_dir=nowhere"], "error: nowhere: cannot be listed (No such file or directory); name a folder"),
    (["--image_width=13"], "12 x 16 pixels; expected 13 x 16 (--image_width, --image_height)"),
    (["--category_count=3"], "density category 4; expected 1 to 3"),
    (["--batch_size=0"], "argument --batch_size: '0' is not a whole number, 1 or more"),
    (["--dropout=1"], "argument --dropout: '1' is not a number from 0 to below 1"),
    (["--learning_rate=nan"], "argument --learning_rate: 'nan' is not a number above 0"),
    ([f"--seed={2**28}"], "argument --seed: '268435456' is not a whole number, 0 to 2^28 - 1"),
    (["--image_channel=3"], "argument --image_channel: invalid choice: 3"),
    (["--steps=3"], "unknown option --steps; did you mean --eval_steps? --help lists the options"),
    (["stray"], "unrecognized arguments: stray"),
    (["--data_bucket=", "--model_dir="], "no --model_dir, and AIP_MODEL_DIR is not set; name a folder for the model"),
])  # fmt: skip
def test_wrong_input_ends_a_run_before_training(data, train, flags, message):
    status, captured = train(*flags)
    assert status == 2
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (data / "model").exists()


def test_aip_model_dir_is_the_default_of_model_dir(data, train, monkeypatch, capfd):
    monkeypatch.setenv("AIP_MODEL_DIR", str(data / "platform"))
    argv = [f"--training_data_dir={data}/train", f"--eval_data_dir={data}/test", *FLAGS, "--training_steps=1"]
    assert gpu_model.main(argv) == 0
    assert (data / "platform/metrics.json").exists()
    assert gpu_model.main([*argv, f"--job-dir={data}/older"]) == 0
    assert (data / "older/metrics.json").exists()


def test_a_category_without_images_is_a_warning(data, train):
    for path in (data / "train").glob("3_*"):
        path.unlink()
    status, captured = train("--class_weights=balanced")
    assert status == 0
    assert f"warning: {data}/train: no training image of density 3\n" in captured.err


def test_patients_in_both_splits_are_a_warning(data, train):
    shutil.copy(
        data / "test/1_Calc-Training_P_00100_LEFT_MLO.png", data / "train/1_Calc-Training_P_00100_RIGHT_MLO.png"
    )
    status, captured = train()
    assert status == 0
    assert "warning: patients with both training and evaluation images: P_00100; the metrics will be" in captured.err


@pytest.mark.parametrize("name", ["1_Calc-Training_P_00100_LEFT_MLO.png", "3_Calc-Training_P_00100_LEFT_MLO.png"])
def test_an_image_in_both_splits_is_refused(data, train, name):
    shutil.copy(data / "test/1_Calc-Training_P_00100_LEFT_MLO.png", data / "train" / name)
    status, captured = train()
    assert (status, errors(captured)) == (2, [
        f"error: {data}/train and {data}/test both contain Calc-Training_P_00100_LEFT_MLO; a model is evaluated on "
        f"images on which it is not trained: remove them from one of the two"
    ])  # fmt: skip
    assert not (data / "model").exists()


def test_the_training_records_for_both_splits_are_refused(data, capfd):
    path = data / "train.tfrecords"
    argv = [f"--training_data={path}", f"--eval_data={path}", f"--model_dir={data}/model", *FLAGS]
    assert tpu_model.main(argv) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {path} and {path} both contain Calc-Training_P_00000_LEFT_CC and 15 more; ")


def test_records_without_names_for_both_splits_are_refused(data, capfd):
    _, pixels, labels = labelled_images(8)
    path = write_records(data / "old.tfrecords", None, pixels, labels)
    shutil.copy(path, data / "copy.tfrecords")
    argv = [f"--training_data={path}", f"--eval_data={data}/copy.tfrecords", f"--model_dir={data}/model", *FLAGS]
    assert tpu_model.main(argv) == 2
    assert capfd.readouterr().err == (
        f"error: {path} and {data}/copy.tfrecords both contain the same images; a model is evaluated on images on "
        f"which it is not trained: remove them from one of the two\n"
    )


def test_the_folder_of_another_model_is_not_changed(data, train):
    assert train()[0] == 0
    before = {path: path.read_bytes() for path in (data / "model").rglob("*") if path.is_file()}
    names, pixels, _ = labelled_images(16, 5)
    write_folder(data / "other", names, pixels)
    status, captured = train(training="other")
    assert (status, errors(captured)) == (2, [
        f"error: {data}/model: contains a model trained on 16 other images, not on these 16; choose another --model_dir"
    ])  # fmt: skip
    for folder in ("train", "test"):
        for path in (data / folder).iterdir():
            Image.fromarray(np.asarray(Image.open(path))[:10]).save(path)
    status, captured = train("--image_height=10")
    assert (status, errors(captured)) == (2, [
        f"error: {data}/model: contains a model with height 16, but this one has 10; choose another --model_dir"
    ])  # fmt: skip
    assert {path: path.read_bytes() for path in (data / "model").rglob("*") if path.is_file()} == before


def test_checkpoints_of_another_program_are_not_changed(data, train):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
    tf.train.CheckpointManager(checkpoint, str(data / "model"), max_to_keep=1).save()
    before = sorted(path.name for path in (data / "model").iterdir())
    status, captured = train()
    assert status == 2
    assert "model: contains a checkpoint of another program; choose another --model_dir" in errors(captured)[0]
    assert sorted(path.name for path in (data / "model").iterdir()) == before


def test_a_training_json_that_is_not_valid(data, train):
    (data / "model").mkdir()
    (data / "model/training.json").write_text("{")
    status, captured = train()
    assert status == 2
    assert (
        "training.json: is damaged, or was not written by a trainer; choose another --model_dir" in errors(captured)[0]
    )


def test_a_model_dir_that_cannot_be_created(data, train):
    (data / "model").write_text("a file")
    status, captured = train()
    assert (status, errors(captured)) == (2, [
        f"error: {data}/model: cannot be written to (File exists); choose another --model_dir"
    ])  # fmt: skip


def test_a_loss_that_is_not_finite_ends_the_run(data, train):
    status, captured = train("--learning_rate=1e30", "--training_steps=50", "--dropout=0")
    assert status == 1
    (line,) = errors(captured)
    assert "the loss of step" in line or "weights are not finite after step" in line
    assert "train again in another --model_dir with a smaller --learning_rate" in line
    assert not (data / "model/checkpoint").exists()
    assert not (data / "model/metrics.json").exists()


def test_a_damaged_record_ends_tpu_model_before_training(data, capfd):
    path = data / "train.tfrecords"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    argv = [f"--training_data={path}", f"--eval_data={data}/test.tfrecords", f"--model_dir={data}/model", *FLAGS]
    assert tpu_model.main(argv) == 2
    assert capfd.readouterr().err == f"error: {path}: record 2: its checksum is wrong; make or copy the file again\n"
    assert not (data / "model").exists()


def test_a_tpu_that_does_not_exist(data, capfd):
    argv = [
        f"--training_data={data}/train.tfrecords",
        f"--eval_data={data}/test.tfrecords",
        f"--model_dir={data}/model",
    ]
    assert tpu_model.main([*argv, *FLAGS, "--tpu=grpc://localhost:1"]) == 2
    captured = capfd.readouterr().err
    assert "error: TPU 'grpc://localhost:1' cannot be used: " in captured
    assert "check --tpu, --tpu_zone and --gcp_project" in captured
