"""Too little memory for a step: a training ends with one line."""

import sys

from tests.faults.small_models import run
from tests.support.labelled import labelled_images, write_folder

MEMORY_KB = 8_000_000
"""Limit of the address space: TensorFlow takes 3 GB of it, and 100,000 images as float32 another 5 GB."""


def test_a_step_that_needs_more_memory_than_there_is(tmp_path):
    names, pixels, _ = labelled_images(16, 0, size=(128, 95))
    write_folder(tmp_path / "train", names, pixels)
    status, _, error = run(
        "sh", "-c", f'ulimit -v {MEMORY_KB}; exec "$@"', "sh", sys.executable, "-m", "trainer.gpu_model",
        f"--training_data_dir={tmp_path}/train", f"--model_dir={tmp_path}/m", "--eval_steps=0", "--training_steps=1",
        "--batch_size=100000", "--augmentation=none",
    )  # fmt: skip
    assert status == 1, error
    assert "Traceback" not in error
    assert error.splitlines()[-1] == (
        "error: there is not enough memory for steps of 100000 images of 128 x 95 pixels; free memory and run the same "
        "command, which continues from the last checkpoint, or train in another --model_dir with a smaller --batch_size"
    )
