"""What the tests of faults share."""

import random

import pytest

from tests.faults import FULL, SEED
from tests.faults.small_models import argv, write_images


@pytest.fixture
def rng(request):
    """The same numbers for the same seed and test, whichever tests run beside it."""
    print(f"FAULTS_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def full():
    """Whether to take the time that the full form takes."""
    return FULL


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Folders of small images to train on and to evaluate."""
    return write_images(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory):
    """Models of them: `half`, of 20 steps, with checkpoints of steps 10 and 20; `whole`, of 40 without interruption."""
    from trainer import gpu_model  # only these tests need what it needs

    root = tmp_path_factory.mktemp("models")
    assert gpu_model.main(argv(data, root / "half", 20)) == 0
    assert gpu_model.main(argv(data, root / "whole")) == 0
    return root
