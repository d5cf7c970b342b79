"""Two workers train one model and one of them is told to end, is killed or fails: the other ends, too.

Of a connection that broke, TensorFlow has lines of its own to say, before the last one.
"""

import json
import subprocess

import pytest

from tests.faults.small_models import ROOT, argv, command, environment_of
from tests.support.workers import worker_environments
from trainer import gpu_model

STOPPED = "stopped by SIGTERM: the last step is saved; the same command continues from it\n"
GONE = (
    "error: another worker or the accelerator is gone, as TensorFlow says above; the same command, on all workers, "
    "goes on from the last checkpoint"
)
FOR_EVER = 10**6


def start_one(words, environment):
    return subprocess.Popen(
        list(map(str, words)), cwd=ROOT, env=environment_of(**environment), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def start():
    """Starts two workers, the chief first."""
    started = []

    def start_both(words):
        started.extend(start_one(words, environment) for environment in worker_environments())
        return started[-2:]

    yield start_both
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process, beginning):
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(process.communicate())


def end(process):
    _, said = process.communicate()
    return process.returncode, said


def assert_left_alone(process):
    status, said = end(process)
    assert status == 1
    assert said.splitlines()[-1] == GONE
    assert "Traceback" not in said


def test_a_signal_to_one_is_one_to_all(data, start, rng, full, tmp_path):
    for told in (0, 1) if full else [rng.randrange(2)]:
        tell_one(data, start, told, tmp_path / f"m{told}")


def tell_one(data, start, told, model_dir):
    workers = start(command(data, model_dir, FOR_EVER))
    wait_for(workers[told], "step 50 ")
    workers[told].terminate()
    assert [end(process) for process in workers] == [(143, STOPPED)] * 2
    taken = len((model_dir / "history.csv").read_text().splitlines()) - 1
    assert (model_dir / f"ckpt-{taken}.index").exists()


@pytest.mark.parametrize("killed", [0, 1])
def test_one_is_killed(data, start, killed, full, tmp_path):
    if not full:
        pytest.skip("starts two trainers; FAULTS=full")
    model_dir = tmp_path / "m"
    workers = start(command(data, model_dir, FOR_EVER))
    wait_for(workers[killed], "step 50 ")
    workers[killed].kill()
    assert_left_alone(workers[1 - killed])
    step = max(int(path.stem.removeprefix("ckpt-")) for path in model_dir.glob("ckpt-*.index"))
    assert gpu_model.main(argv(data, model_dir, 0)) == 0
    assert json.loads((model_dir / "metrics.json").read_text())["step"] == step >= 40


def test_the_chief_cannot_begin(data, start, full, tmp_path):
    """Only the chief holds the lock of the model's folder."""
    if not full:
        pytest.skip("starts three trainers; FAULTS=full")
    with start_one(command(data, tmp_path / "m", FOR_EVER), {}) as other:
        wait_for(other, "model: ")
        chief, worker = start(command(data, tmp_path / "m", FOR_EVER))
        status, said = end(chief)
        assert (status, said.count("\n")) == (2, 1)
        assert "another run" in said
        assert_left_alone(worker)
        other.terminate()
        assert end(other) == (143, STOPPED)
