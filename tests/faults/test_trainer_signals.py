"""SIGTERM at any time: status 143 and no traceback; the same command continues, to the same bytes."""

import os
import signal
import subprocess
from pathlib import Path

from tests.faults.small_models import ROOT, STEPS, argv, assert_same_model, command, environment_of
from tests.support.faulty_proxy import proxy
from trainer import gpu_model

SAVED = "stopped by SIGTERM: the last step is saved; the same command continues from it\n"
NOT_BEGUN = "stopped by SIGTERM before training started: run the same command again\n"


def start(*words, environment=None):
    return subprocess.Popen(
        list(map(str, words)), cwd=ROOT, env=environment_of(**(environment or {})), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def handles_sigterm(process):
    """Whether a process has installed a handler for SIGTERM, from /proc."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_a_signal_before_the_images_are_read(data, tmp_path):
    """As soon as the command has installed its handler."""
    process = start(*command(data, tmp_path / "m"))
    while not handles_sigterm(process):
        assert process.poll() is None
        os.sched_yield()
    process.terminate()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (143, NOT_BEGUN)
    assert not (tmp_path / "m").exists()


def test_a_signal_while_a_store_fails(data, tmp_path, bucket):
    """While the third image is requested again and again."""
    films, environment = bucket
    for path in (data / "train").iterdir():
        films.blob(f"train/{path.name}").upload_from_filename(str(path))
    process = None

    def stop_at_the_third_image(number, method, path):
        if number > 3:
            process.terminate()
            return 503  # without the signal, the request would be repeated for two minutes
        return None

    with proxy(environment["STORAGE_EMULATOR_HOST"], stop_at_the_third_image) as server:
        process = start(
            *command(data, tmp_path / "m", STEPS, "--training_data_dir=gs://films/train"),
            environment=environment | {"STORAGE_EMULATOR_HOST": server.url},
        )
        _, errors = process.communicate()
    assert (process.returncode, errors) == (143, NOT_BEGUN)


LINES = [  # (beginning of a line of the output, expected message)
    ("reading ", NOT_BEGUN),  # TensorFlow is loaded next
    ("model: ", SAVED),  # the first step is next
    ("step 40 of 40", SAVED),  # the last checkpoint and the evaluation are next
    ("evaluation of ", SAVED),  # the exports are next
]


def test_a_signal_after_a_line_of_output(data, trained, tmp_path, rng, full):
    """The signal is sent as soon as the line is read, when the command is at work on what follows it."""
    for number, (line, expected) in enumerate(LINES if full else [rng.choice(LINES[1:])]):
        model_dir = tmp_path / f"m{number}"
        process = start(*command(data, model_dir))
        for printed in process.stdout:
            if printed.startswith(line):
                process.terminate()
                break
        _, errors = process.communicate()
        assert (process.returncode, errors) == (143, expected), line
        assert gpu_model.main(argv(data, model_dir)) == 0
        assert_same_model(model_dir, trained / "whole")
