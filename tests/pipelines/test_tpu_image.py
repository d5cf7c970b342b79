"""The container image of trainings on a TPU: its Dockerfile and its build file, without a container engine.

The last two tests install its requirements, 0.5 GB, so they run only with `make test-faults`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pipelines.vertex_ai import job as vertex_job
from pipelines.vertex_ai import trainer_package
from tests import ROOT
from tests.support.dockerfile import PYTHON_FOLDER, make_image, read_dockerfile
from tests.support.labelled import FLAGS, labelled_images, write_records

FOLDER = ROOT / "docker/tpu"
FULL = os.environ.get("FAULTS") == "full" and sys.version_info[:2] == (3, 11)
PINNED = dict(line.split("==") for line in (FOLDER / "requirements.txt").read_text().split())


def test_the_dockerfile_installs_what_it_copies_and_nothing_else():
    lines = read_dockerfile(FOLDER / "Dockerfile")
    assert lines[0] == ("FROM", "python:3.11-slim-bookworm")
    copied = [argument.split()[0] for instruction, argument in lines if instruction == "COPY"]
    assert copied == ["docker/tpu/requirements.txt", "preprocess", "trainer"]
    assert all((ROOT / path).exists() for path in copied)
    assert [argument for instruction, argument in lines if instruction == "RUN"] == [
        "pip install --no-cache-dir -r requirements.txt"
    ]
    assert lines[-1] == ("ENTRYPOINT", '["python", "-m", "trainer.tpu_model"]')


def test_the_image_sets_the_variables_that_a_tpu_v5e_needs():
    variables = dict(line.split("=", 1) for kind, line in read_dockerfile(FOLDER / "Dockerfile") if kind == "ENV")
    assert variables == {
        "PYTHONPATH": "/trainer",
        "PYTHONUNBUFFERED": "1",
        "TPU_NAME": "local",
        "PJRT_DEVICE": "TPU",
        "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
        "TF_PLUGGABLE_DEVICE_LIBRARY_PATH": f"{PYTHON_FOLDER}/site-packages/libtpu/libtpu.so",
    }


def test_the_pinned_versions_are_those_that_the_trainers_require():
    for line in trainer_package.requirements(trainer_package.TPU):
        requirement = Requirement(line)
        assert requirement.specifier.contains(PINNED[requirement.name]), line


def test_cloud_build_makes_the_image_that_a_job_names():
    text = (FOLDER / "cloudbuild.yaml").read_text()
    build = yaml.safe_load(text.replace("${PROJECT_ID}", "p").replace("${_REGION}", "r"))
    (step,) = build["steps"]
    image = vertex_job.TPU_IMAGE.format(region="r", project="p")
    assert build["images"] == [image]
    assert step["args"] == ["build", "--file", "docker/tpu/Dockerfile", "--tag", image, "."]
    assert set(re.findall(r"\$\{(_\w+)\}", text)) == set(build["substitutions"])


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    if not FULL:
        pytest.skip("downloads 0.5 GB; runs with `make test-faults` and Python 3.11")
    root = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    (root / "trainer").mkdir()
    return make_image(FOLDER / "Dockerfile", root / "venv", root / "trainer")


def test_the_image_without_a_tpu_ends_with_one_line(image, tmp_path):
    """TensorFlow with PJRT would end the process if it looked for a TPU that is not there."""
    ran = train(image, tmp_path, "--require_accelerator")
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == (
        "error: TPU 'local' cannot be used: this machine has no /dev/accel0 and no /dev/vfio/0; check --tpu, "
        "--tpu_zone and --gcp_project"
    )


def test_the_image_trains_on_a_cpu(image, tmp_path):
    """Without the PJRT interface and without XLA: this build of TensorFlow compiles for a TPU only."""
    command, variables = image
    assert Path(variables["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"]).exists()
    ran = train((command, {"PYTHONPATH": variables["PYTHONPATH"]}), tmp_path, "--training_steps=2")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "model/export/saved_model.pb").exists()


def train(image, folder, *words):
    command, variables = image
    for split, count in (("train", 24), ("test", 9)):
        names, pixels, labels = labelled_images(count, 0 if split == "train" else 1)
        write_records(folder / f"{split}.tfrecords", names, pixels, labels)
    flags = ["--training_data", folder / "train.tfrecords", "--eval_data", folder / "test.tfrecords",
             f"--model_dir={folder / 'model'}", *FLAGS, "--batch_size=8", *words]  # fmt: skip
    return subprocess.run([*command, *map(str, flags)], cwd="/", env=os.environ | variables, capture_output=True,
                          text=True, check=False)  # fmt: skip
