"""The command pipelines.preprocess_and_train, in this process and in processes that are killed."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from pipelines import preprocess, preprocess_and_train, report, verify
from preprocess.files import storage
from tests.support.environments import ROOT
from tests.support.films import Described, as_in_csv, random_film, write_csv
from trainer import gpu_model, tpu_model

TRAIN = [
    Described(f"Calc-Training_P_{n:05d}_{side}_CC", str(n % 4 + 1)) for n in range(1, 9) for side in ("LEFT", "RIGHT")
]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(11, 19)]
STEPS = 12
OPTIONS = [
    "--image_height=16", "--image_width=12", "--direct_num_workers=1", "--tfrecord_shards=2", "--batch_size=8",
    f"--training_steps={STEPS}", "--checkpoint_steps=4", "--seed=3", "--precision=float32",
]  # fmt: skip
STAGES = ["preprocess", "verify", "train and evaluate gpu_model", "train and evaluate tpu_model", "report"]
MAINS = {
    "pipelines.preprocess": preprocess.main,
    "pipelines.verify": verify.main,
    "trainer.gpu_model": gpu_model.main,
    "trainer.tpu_model": tpu_model.main,
    "pipelines.report": report.main,
}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_csv(root / "train.csv", TRAIN)
    write_csv(root / "test.csv", TEST)
    for number, film in enumerate([*TRAIN, *TEST]):
        as_in_csv(root / "images", film, random_film(number))
    return root


def words(films, root, *more, trainer="both", options=OPTIONS):
    argv = [
        "--input", films / "images", "--train_csv", films / "train.csv", "--test_csv", films / "test.csv",
        "--output", root / "out", "--model_dir", root / "models", "--trainer", trainer, *options, *more,
    ]  # fmt: skip
    return [str(word) for word in argv]


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def data_set(root):
    return {name: data for name, data in tree(root / "out").items() if name != "report.html"}


def weights(model_dir):
    reader = tf.train.load_checkpoint(str(model_dir))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "CHECKPOINT" not in name}


def assert_same_models(one, other):
    for name in ("gpu_model", "tpu_model"):
        for file in ("history.csv", "metrics.json", "predictions.csv"):
            assert (one / "models" / name / file).read_bytes() == (other / "models" / name / file).read_bytes()
        values, expected = weights(one / "models" / name), weights(other / "models" / name)
        assert values
        assert values.keys() == expected.keys()
        assert all(np.array_equal(values[key], expected[key]) for key in values)


@pytest.fixture(scope="module")
def done(films, tmp_path_factory):
    """(folder, output) of a run that was not interrupted, in another process."""
    root = tmp_path_factory.mktemp("done")
    command = [sys.executable, "-m", "pipelines.preprocess_and_train", *words(films, root)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return root, ran.stdout


def test_the_output_names_the_stages_and_the_report(done):
    root, output = done
    for number, stage in enumerate(STAGES, 1):
        assert f"\nstage {number} of 5, {stage}\n" in output
        assert f"stage {number} of 5, {stage}: done, " in output
    assert output.endswith(f"\nlook at {root}/out/report.html\n")
    assert "gpu_model" in (root / "out/report.html").read_text()


def test_the_commands_of_a_dry_run_make_the_same_files(done, films, tmp_path, capsys):
    """The test runs the commands that --dry_run prints, one after the other."""
    assert preprocess_and_train.main(words(films, tmp_path, "--dry_run")) == 0
    assert not list(tmp_path.iterdir())
    plan = capsys.readouterr().out.splitlines()
    assert [line.split(". ", 1)[1] for line in plan[::2]] == STAGES
    for line in plan[1::2]:
        python, flag, module, *argv = shlex.split(line)
        assert (python, flag) == ("python", "-m")
        assert MAINS[module](argv) == 0
    assert data_set(tmp_path) == data_set(done[0])
    assert_same_models(tmp_path, done[0])


def test_the_number_of_record_files_need_not_be_known(films, tmp_path, capsys):
    """It follows from the number of images; so the trainer gets a pattern, also in a folder with a bracket."""
    options = [option for option in OPTIONS if not option.startswith("--tfrecord_shards")]
    assert preprocess_and_train.main(words(films, tmp_path / "a[1]", "--dry_run", trainer="tpu", options=options)) == 0
    pattern = f"{tmp_path}/a[[]1]/out/cache/ddsm_train*.tfrecords"
    assert pattern in capsys.readouterr().out
    file = tmp_path / "a[1]/out/cache/ddsm_train-00000-of-00002.tfrecords"
    file.parent.mkdir(parents=True)
    file.touch()
    assert storage.match(pattern) == [str(file)]


def test_both_trainers_make_the_same_model(done):
    root, _ = done
    for file in ("history.csv", "predictions.csv", "metrics.json"):
        assert (root / "models/gpu_model" / file).read_bytes() == (root / "models/tpu_model" / file).read_bytes()


def test_a_run_killed_in_every_stage_makes_the_same_files(done, films, tmp_path):
    """SIGKILL once in each stage; then the same command runs to its end."""
    history = {
        f"train and evaluate {name}": tmp_path / "models" / name / "history.csv" for name in ("gpu_model", "tpu_model")
    }
    for stage in STAGES:
        with start(films, tmp_path) as process:
            wait_for(process, f", {stage}\n")
            while stage in history and steps_of(history[stage]) < 6:
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    with start(films, tmp_path) as process:
        output = process.stdout.read()
    assert process.returncode == 0, output
    assert "already contains this data set" in output
    assert output.count("continues from its checkpoint of step 12") == 2
    assert data_set(tmp_path) == data_set(done[0])
    assert_same_models(tmp_path, done[0])


def start(films, root):
    command = [sys.executable, "-m", "pipelines.preprocess_and_train", *words(films, root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(process, text):
    for line in process.stdout:
        if line.endswith(text):
            return
    pytest.fail(f"the run ended before {text!r}")


def steps_of(history):
    return history.read_text().count("\n") - 1 if history.exists() else 0


def test_the_command_with_more_training_steps_continues(done, films, tmp_path, capsys):
    first = [option for option in OPTIONS if not option.startswith("--training_steps")]
    flags = ["--training_steps=4", "--schedule=constant"]
    assert preprocess_and_train.main(words(films, tmp_path, *flags, trainer="gpu", options=first)) == 0
    assert (tmp_path / "models/metrics.json").exists()  # one trainer alone has no subfolder
    capsys.readouterr()
    assert preprocess_and_train.main(words(films, tmp_path, "--schedule=constant", trainer="gpu")) == 0
    output = capsys.readouterr().out
    assert f"{tmp_path}/out already contains this data set, made with the same input and options" in output
    assert "continues from its checkpoint of step 4" in output
    history = (tmp_path / "models/history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in history[1:]] == [str(step) for step in range(1, STEPS + 1)]


def test_a_failing_stage_ends_the_run(films, tmp_path, capsys):
    no_steps = ["--training_steps=0" if option.startswith("--training_steps") else option for option in OPTIONS]
    assert preprocess_and_train.main(words(films, tmp_path, options=no_steps)) == 2
    output = capsys.readouterr()
    *warnings, error = output.err.splitlines()
    assert all(f"{tmp_path}/out/small_train: no validation image of density " in line for line in warnings)
    assert error.startswith("error: stage 'train and evaluate gpu_model': ")
    assert "stage 4 of 5" not in output.out
    assert json.loads((tmp_path / "out/manifest.json").read_text())["counts"]["train"] == dict.fromkeys("1234", 4)
    image = next((tmp_path / "out/small_train").glob("*.png"))
    image.write_bytes(image.read_bytes()[:-1])
    assert preprocess_and_train.main(words(films, tmp_path)) == 1
    output = capsys.readouterr()
    assert output.err.startswith("error: stage 'verify': ")
    assert output.err.endswith("or make the data set again with --force\n")


def test_another_data_set_in_the_output(films, tmp_path, capsys):
    assert preprocess.main([str(word) for word in (
        "--input", films / "images", "--train_csv", films / "train.csv", "--test_csv", films / "test.csv",
        "--output", tmp_path / "out", "--direct_num_workers=1",
    )]) == 0  # fmt: skip
    capsys.readouterr()
    assert preprocess_and_train.main(words(films, tmp_path, trainer="tpu")) == 2
    assert "error: stage 'preprocess': " in (error := capsys.readouterr().err)
    assert "or --force to replace it" in error
    assert preprocess_and_train.main(words(films, tmp_path, "--force", trainer="tpu")) == 0
    assert "--image_height=16" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "trainer", "message"),
    [
        (["--trainin_steps=3"], "gpu", "unknown option --trainin_steps; did you mean --training_steps?"),
        (["--iterations=3"], "gpu", "--iterations is an option of tpu_model; choose --trainer tpu or both"),
        (["--rehearse_tpu"], "both", "--rehearse_tpu must divide the CPU before TensorFlow starts"),
        (["--runner=Flimk"], "gpu", "unknown runner Flimk; did you mean"),
        (["stray"], "gpu", "'stray' belongs to no option"),
    ],
)
def test_invalid_options_end_the_command_before_its_first_stage(more, trainer, message, films, tmp_path, capsys):
    assert preprocess_and_train.main(words(films, tmp_path, *more, trainer=trainer)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["out", "out/models"])
def test_a_model_dir_in_the_data_set_is_refused(folder, films, tmp_path, capsys):
    argv = words(films, tmp_path, "--model_dir", tmp_path / folder)
    assert preprocess_and_train.main(argv) == 2
    assert "which may contain only the data set" in capsys.readouterr().err


def test_aip_model_dir_is_the_default_of_model_dir(films, tmp_path, capsys, monkeypatch):
    argv = words(films, tmp_path, "--dry_run")
    at = argv.index("--model_dir")
    del argv[at : at + 2]
    monkeypatch.delenv("AIP_MODEL_DIR", raising=False)
    assert preprocess_and_train.main(argv) == 2
    assert "no --model_dir" in capsys.readouterr().err
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://bucket/model/")
    assert preprocess_and_train.main(argv) == 0
    assert "--model_dir=gs://bucket/model/gpu_model" in capsys.readouterr().out


def test_help_lists_the_options_of_all_stages(capsys):
    with pytest.raises(SystemExit) as ended:
        preprocess_and_train.main(["--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    for option in ("--train_csv", "--canvas", "--training_steps", "--tpu_zone", "--trainer", "--force"):
        assert option in output


def test_run_local_and_run_cloud_have_the_same_stages():
    def run(script, *words):
        command = [f"pipelines/{script}", *words, "--dry_run"]
        return subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True, check=True
        ).stdout

    local = run("run-local", "/films", "/csv", "/out", "--batch_size=32")
    cloud = run("run-cloud", "gs://b/films", "gs://b/csv", "gs://b/out", "p-abc", "us-central1", "--batch_size=32")
    assert re.findall(r"^\d+\. (.*)", local, re.MULTILINE) == [
        "preprocess", "verify", "train and evaluate gpu_model", "report",
    ]  # fmt: skip
    assert re.findall(r"^\d+\. (.*)", cloud, re.MULTILINE) == [
        "preprocess", "verify", "train and evaluate gpu_model on Vertex AI", "report",
    ]  # fmt: skip
    assert "--runner=DataflowRunner --project=p-abc --region=us-central1" in cloud
    assert "python -m pipelines.vertex submit --wait --trainer=gpu --project=p-abc --region=us-central1" in cloud


@pytest.mark.parametrize("script", ["run-local", "run-cloud"])
def test_scripts_print_their_usage(script):
    ran = subprocess.run([f"pipelines/{script}", "x"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"usage: pipelines/{script}")
