"""What the requirements for a TPU resolve to, in a new environment: TensorFlow starts, and names a missing TPU.

Half a gigabyte is downloaded once, so the test runs only with `make test-faults`. `make test` checks that no version of
the requirements is left to a resolver.
"""

import os
import subprocess

import pytest

from pipelines.vertex_ai.image_requirements import TPU, requirements
from tests import ROOT
from tests.support.environments import make_environment

FULL = os.environ.get("FAULTS") == "full"
NO_TPU = "TPU {name!r} cannot be used: {fault}; check --tpu, --tpu_zone and --gcp_project"
SCRIPT = """
import sys
from trainer.runtime.startup import import_tensorflow
import_tensorflow()
import tensorflow
from preprocess.runtime.errors import InputError
from trainer.runtime.tpus import find_tpu
try:
    find_tpu(sys.argv[1], sys.argv[2], sys.argv[2])
except InputError as error:
    print(tensorflow.__version__, error)
"""


def test_the_versions_that_start_together_are_pinned():
    assert {"tensorflow-tpu==2.20.0", "libtpu==0.0.20"} < set(requirements(TPU))


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    if not FULL:
        pytest.skip("downloads 0.5 GB; runs with `make test-faults`")
    folder = tmp_path_factory.mktemp("tpu") / "venv"
    return make_environment(folder, requirements(TPU), tested_versions=False)


@pytest.mark.parametrize(("name", "project", "fault"), [
    ("local", "", "this machine has no /dev/accel0 and no /dev/vfio/0"),
    ("grpc://localhost:1", "", "[Errno 111] Connection refused"),
])  # fmt: skip
def test_a_new_environment_starts_and_names_a_missing_tpu_in_one_line(python, name, project, fault):
    ran = subprocess.run([python, "-c", SCRIPT, name, project], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"2.20.0 {NO_TPU.format(name=name, fault=fault)}\n"


def test_a_name_is_looked_up_with_the_packages_that_this_needs(python):
    ran = subprocess.run([python, "-c", SCRIPT, "my-tpu", "p"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("2.20.0 TPU 'my-tpu' cannot be used: ")
    assert "googleapiclient" not in ran.stdout
