"""The container images of trainings on Vertex AI: their Dockerfiles and build files, without a container engine.

Each image is also made in a virtual environment with all its requirements: 0.5 GB are downloaded for a TPU and 3 GB for
a GPU, so this runs only with `make test-faults`. tests/pipelines/vertex has the image for a GPU without CUDA.
"""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pipelines.vertex_ai import image_requirements, job
from pipelines.vertex_ai.image_requirements import GPU, TPU
from tests import ROOT
from tests.support.dockerfile import PYTHON_FOLDER, make_image, pinned_versions, read_dockerfile
from tests.support.labelled import FLAGS, labelled_images, write_folder, write_records

FULL = os.environ.get("FAULTS") == "full" and sys.version_info[:2] == (3, 11)
VARIABLES = {
    GPU: {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
    },
    TPU: {
        "TPU_NAME": "local",
        "PJRT_DEVICE": "TPU",
        "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
        "TF_PLUGGABLE_DEVICE_LIBRARY_PATH": f"{PYTHON_FOLDER}/site-packages/libtpu/libtpu.so",
    },
}
NO_ACCELERATOR = {
    GPU: "error: TensorFlow finds no accelerator (there is no /dev/nvidia0, /dev/accel0 or /dev/vfio/0); install its "
         "driver and the TensorFlow for it, or ",
    TPU: "error: TPU 'local' cannot be used: this machine has no /dev/accel0 and no /dev/vfio/0; check --tpu, "
         "--tpu_zone and --gcp_project",
}  # fmt: skip
both = pytest.mark.parametrize("accelerator", [GPU, TPU])


@both
def test_the_dockerfile_installs_what_it_copies_and_nothing_else(accelerator):
    lines = read_dockerfile(ROOT / f"docker/{accelerator}/Dockerfile")
    assert lines[0] == ("FROM", "python:3.11-slim-bookworm")
    copied = [argument.split()[0] for instruction, argument in lines if instruction == "COPY"]
    assert copied == [f"docker/{accelerator}/requirements.txt", "preprocess", "trainer"]
    assert all((ROOT / path).exists() for path in copied)
    assert [argument for instruction, argument in lines if instruction == "RUN"] == [
        "pip install --no-cache-dir -r requirements.txt"
    ]
    assert lines[-1] == ("ENTRYPOINT", f'["python", "-m", "trainer.{accelerator}_model"]')


@both
def test_the_image_sets_the_variables_that_the_accelerator_needs(accelerator):
    lines = read_dockerfile(ROOT / f"docker/{accelerator}/Dockerfile")
    variables = dict(line.split("=", 1) for kind, line in lines if kind == "ENV")
    assert variables == {"PYTHONPATH": "/trainer", "PYTHONUNBUFFERED": "1"} | VARIABLES[accelerator]


@both
def test_the_pinned_versions_are_those_that_the_trainers_require(accelerator):
    pinned = pinned_versions(accelerator)
    for line in image_requirements.requirements(accelerator):
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[requirement.name]), line


def test_a_gpu_has_the_tested_versions_and_the_cuda_libraries_of_its_tensorflow():
    pinned = pinned_versions(GPU)
    cuda = {name for name in pinned if name.startswith("nvidia-")}
    tested = (ROOT / "requirements/dev.txt").read_text().splitlines()
    tested = {line.partition(";")[0].strip() for line in tested}
    assert {f"{name}=={version}" for name, version in pinned.items() if name not in cuda} <= tested
    needed = [Requirement(line) for line in metadata.requires("tensorflow") if 'extra == "and-cuda"' in line]
    assert cuda == {requirement.name for requirement in needed}
    assert all(requirement.specifier.contains(pinned[requirement.name]) for requirement in needed)


@both
def test_cloud_build_makes_the_image_that_a_job_names(accelerator):
    text = (ROOT / f"docker/{accelerator}/cloudbuild.yaml").read_text()
    build = yaml.safe_load(text.replace("${PROJECT_ID}", "p").replace("${_REGION}", "r"))
    (step,) = build["steps"]
    image = job.IMAGE.format(region="r", project="p", accelerator=accelerator)
    assert build["images"] == [image]
    assert step["args"] == ["build", "--file", f"docker/{accelerator}/Dockerfile", "--tag", image, "."]
    assert set(re.findall(r"\$\{(_\w+)\}", text)) == set(build["substitutions"])


@pytest.fixture(scope="module", params=[GPU, TPU])
def image(request, tmp_path_factory):
    """(accelerator, first words of a command, environment variables)."""
    if not FULL:
        pytest.skip("downloads 3.5 GB; runs with `make test-faults` and Python 3.11")
    root = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    (root / "trainer").mkdir()
    return request.param, *make_image(ROOT / f"docker/{request.param}/Dockerfile", root / "venv", root / "trainer")


def test_the_image_without_its_accelerator_ends_with_one_line(image, tmp_path):
    """TensorFlow with PJRT would end the process if it looked for a TPU that is not there."""
    accelerator, command, variables = image
    ran = train(accelerator, command, variables, tmp_path, "--require_accelerator")
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].startswith(NO_ACCELERATOR[accelerator])


def test_the_image_trains_on_a_cpu(image, tmp_path):
    """For a TPU without the PJRT interface and without XLA: this build of TensorFlow compiles for a TPU only."""
    accelerator, command, variables = image
    if accelerator == TPU:
        assert Path(variables["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"]).exists()
        variables = {"PYTHONPATH": variables["PYTHONPATH"]}
    ran = train(accelerator, command, variables, tmp_path, "--training_steps=2")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "model/export/saved_model.pb").exists()


def train(accelerator, command, variables, folder, *words):
    data = []
    for flag, split, count in (("training", "train", 24), ("eval", "test", 9)):
        names, pixels, labels = labelled_images(count, 0 if split == "train" else 1)
        if accelerator == TPU:
            write_records(folder / f"{split}.tfrecords", names, pixels, labels)
            data += [f"--{flag}_data", folder / f"{split}.tfrecords"]
        else:
            write_folder(folder / split, names, pixels)
            data += [f"--{flag}_data_dir", folder / split]
    flags = [*data, f"--model_dir={folder / 'model'}", *FLAGS, "--batch_size=8", *words]
    return subprocess.run([*command, *map(str, flags)], cwd="/", env=os.environ | variables, capture_output=True,
                          text=True, check=False)  # fmt: skip
