"""Two workers train one model. If one of them is stopped or killed, or fails, the other one ends too.

TensorFlow prints lines about the lost connection before the last line, which is the one of this project.
"""

import json
import subprocess

import pytest

from tests.faults.small_models import ROOT, argv, command, environment_of
from tests.support.workers import worker_environments
from trainer import gpu_model

STOPPED = "stopped by SIGTERM: the last step is saved; the same command continues from it\n"
GONE = (
    "error: another worker or the accelerator is no longer available (see TensorFlow's message above); run the same "
    "command on all workers: it continues from the last checkpoint"
)
MANY_STEPS = 10**6


def start_one(words, environment):
    return subprocess.Popen(
        list(map(str, words)), cwd=ROOT, env=environment_of(**environment), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def start():
    """A function that starts two workers with the same command and returns them, the chief first."""
    started = []

    def start_both(words):
        started.extend(start_one(words, environment) for environment in worker_environments())
        return started[-2:]

    yield start_both
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process, beginning):
    """Reads the output of a process until a line begins with a text."""
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(process.communicate())


def end(process):
    """Waits for the end of a process; returns its exit status and standard error."""
    _, errors = process.communicate()
    return process.returncode, errors


def assert_ends_without_the_other(process):
    status, errors = end(process)
    assert status == 1
    assert errors.splitlines()[-1] == GONE
    assert "Traceback" not in errors


def test_a_signal_to_one_worker_stops_both(data, start, rng, full, tmp_path):
    for number in (0, 1) if full else [rng.randrange(2)]:
        stop_one(data, start, number, tmp_path / f"m{number}")


def stop_one(data, start, number, model_dir):
    workers = start(command(data, model_dir, MANY_STEPS))
    wait_for(workers[number], "step 50 ")
    workers[number].terminate()
    assert [end(process) for process in workers] == [(143, STOPPED)] * 2
    taken = len((model_dir / "history.csv").read_text().splitlines()) - 1
    assert (model_dir / f"ckpt-{taken}.index").exists()


@pytest.mark.parametrize("killed", [0, 1])
def test_one_worker_is_killed(data, start, killed, full, tmp_path):
    if not full:
        pytest.skip("starts two trainers; runs with FAULTS=full")
    model_dir = tmp_path / "m"
    workers = start(command(data, model_dir, MANY_STEPS))
    wait_for(workers[killed], "step 50 ")
    workers[killed].kill()
    assert_ends_without_the_other(workers[1 - killed])
    step = max(int(path.stem.removeprefix("ckpt-")) for path in model_dir.glob("ckpt-*.index"))
    assert gpu_model.main(argv(data, model_dir, 0)) == 0
    assert json.loads((model_dir / "metrics.json").read_text())["step"] == step >= 40


def test_the_chief_fails_before_training(data, start, full, tmp_path):
    """Another run holds the lock of the model folder. Only the chief takes the lock."""
    if not full:
        pytest.skip("starts three trainers; runs with FAULTS=full")
    with start_one(command(data, tmp_path / "m", MANY_STEPS), {}) as other:
        wait_for(other, "model: ")
        chief, worker = start(command(data, tmp_path / "m", MANY_STEPS))
        status, errors = end(chief)
        assert (status, errors.count("\n")) == (2, 1)
        assert "another run" in errors
        assert_ends_without_the_other(worker)
        other.terminate()
        assert end(other) == (143, STOPPED)
