"""Fixtures of the tests of faults."""

import pytest

from tests.faults.small_models import argv, write_images


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with the folders `train` and `test` of small images."""
    return write_images(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory):
    """A folder with two models: `half` of 20 steps, with checkpoints of steps 10 and 20, and `whole` of 40 steps."""
    from trainer import gpu_model  # imports TensorFlow, which only some of these tests need

    root = tmp_path_factory.mktemp("models")
    assert gpu_model.main(argv(data, root / "half", 20)) == 0
    assert gpu_model.main(argv(data, root / "whole")) == 0
    return root
