"""SIGTERM at any time: status 143 and no traceback; the same command goes on, to the same bytes."""

import os
import signal
import subprocess
from pathlib import Path

from tests.faults.small_models import ROOT, STEPS, argv, assert_ends_alike, command, environment_of
from tests.support.faulty_proxy import proxy
from trainer import gpu_model

SAVED = "stopped by SIGTERM: the last step is saved; the same command continues from it\n"
NOT_BEGUN = "stopped by SIGTERM before any step was taken: the same command begins again\n"


def start(*words, environment=None):
    return subprocess.Popen(
        list(map(str, words)), cwd=ROOT, env=environment_of(**(environment or {})), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def handles_sigterm(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_before_the_images_are_read(data, tmp_path):
    """At the first moment at which the command can know of a signal."""
    process = start(*command(data, tmp_path / "m"))
    while not handles_sigterm(process):
        assert process.poll() is None
        os.sched_yield()
    process.terminate()
    _, said = process.communicate()
    assert (process.returncode, said) == (143, NOT_BEGUN)
    assert not (tmp_path / "m").exists()


def test_while_a_store_does_not_answer(data, tmp_path, bucket):
    """An image is asked for and does not come."""
    films, environment = bucket
    for path in (data / "train").iterdir():
        films.blob(f"train/{path.name}").upload_from_filename(str(path))
    process = None

    def stop_at_the_third_image(number, method, path):
        if number > 3:
            process.terminate()
            return 503  # it would be asked for again for two minutes
        return None

    with proxy(environment["STORAGE_EMULATOR_HOST"], stop_at_the_third_image) as server:
        process = start(
            *command(data, tmp_path / "m", STEPS, "--training_data_dir=gs://films/train"),
            environment=environment | {"STORAGE_EMULATOR_HOST": server.url},
        )
        _, said = process.communicate()
    assert (process.returncode, said) == (143, NOT_BEGUN)


LINES = [
    ("reading ", NOT_BEGUN),  # TensorFlow is loaded
    ("model: ", SAVED),  # the first step
    ("step 40 of 40", SAVED),  # the last checkpoint, the evaluation
    ("evaluation of ", SAVED),  # the exports
]


def test_after_a_line(data, trained, tmp_path, rng, full):
    """The signal comes with the line; whatever follows it is under way."""
    for number, (line, said) in enumerate(LINES if full else [rng.choice(LINES[1:])]):
        model_dir = tmp_path / f"m{number}"
        process = start(*command(data, model_dir))
        for printed in process.stdout:
            if printed.startswith(line):
                process.terminate()
                break
        _, found = process.communicate()
        assert (process.returncode, found) == (143, said), line
        assert gpu_model.main(argv(data, model_dir)) == 0
        assert_ends_alike(model_dir, trained / "whole")
