"""The end of the command if its job fails or is stopped: one line for expected causes, a traceback for others."""

import os
import subprocess
import sys

import pytest

from tests.support.environments import ROOT
from tests.support.films import Described, write_download

TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 200)]
TEST = [Described("Mass-Test_P_00301_RIGHT_MLO", "1")]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_download(root, TRAIN, TEST, ["as in the CSV"])
    return root


def start(films, out, *words, **environment):
    command = [
        sys.executable, "-m", "pipelines.preprocess", f"--input={films}/images", f"--output={out}",
        f"--train_csv={films}/csv/train.csv", f"--test_csv={films}/csv/test.csv", *words,
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, text=True, start_new_session=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def test_a_missing_job_server(films, tmp_path):
    process = start(films, tmp_path / "out", "--runner=PortableRunner", "--job_endpoint=localhost:1")
    _, error = process.communicate()
    assert process.returncode == 2
    assert error.startswith("error: --job_endpoint localhost:1: no job server answers there (")
    assert error.count("\n") == 1


CONTINUES = "the same command continues from what was saved\n"


AT_THE_TENTH_IMAGE = """
import contextlib, os, select, signal, sys
images = 0
def at_rename(event, args):
    global images
    if event == "os.rename" and str(args[1]).endswith(".png"):
        images += 1
        if images == 10:
            with contextlib.suppress(FileExistsError):  # one of two workers is enough
                os.mkdir(os.environ["DONE"])
                {}
sys.addaudithook(at_rename)
"""
# A worker that has sent a signal to the main process waits for its end; otherwise it could finish the job before that.
WAIT = "; select.select([os.pidfd_open(os.getsid(0))], [], [])"
KEYBOARD = "os.killpg(os.getsid(0), signal.SIGINT)" + WAIT  # as from a terminal, which sends it to the workers too
TERMINATION = "os.kill(os.getsid(0), signal.SIGTERM)" + WAIT


KILL_WORKER = "os.kill(os.getpid(), signal.SIGKILL)"
ABORT_WORKER = "os.write(2, b'first\\nlast words\\n\\n'); os.abort()"
EXIT_WORKER = "os.write(2, b'first\\nlast words\\n'); os._exit(137)"


def lost(how):
    return f"error: a worker process {how}; the same command continues with the files that are there\n"


@pytest.mark.parametrize(("workers", "action", "expected"), [
    (1, KEYBOARD, (130, f"interrupted: {CONTINUES}")),
    (2, KEYBOARD, (130, f"interrupted: {CONTINUES}")),
    (1, TERMINATION, (143, f"stopped by SIGTERM: {CONTINUES}")),
    (2, TERMINATION, (143, f"stopped by SIGTERM: {CONTINUES}")),
    (2, KILL_WORKER, (1, lost("was killed by SIGKILL; `dmesg` shows whether the system was out of memory"))),
    (2, ABORT_WORKER, (1, lost("was killed by SIGABRT; the last line from the workers is: last words"))),
    (2, EXIT_WORKER, (1, lost("ended with status 137; the last line from the workers is: last words"))),
])  # fmt: skip
def test_a_stopped_run_ends_with_one_line(workers, action, expected, films, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(AT_THE_TENTH_IMAGE.format(action))
    process = start(films, tmp_path / "out", f"--direct_num_workers={workers}", PYTHONPATH=str(tmp_path),
                    DONE=str(tmp_path / "done"))  # fmt: skip
    _, error = process.communicate()
    assert (process.returncode, error) == expected
    assert not (tmp_path / "out/.lock").exists()
    assert not (tmp_path / "out/manifest.json").exists()


UNEXPECTED = """
import sys
def at_open(event, args):
    if event == "open" and str(args[0]).endswith("Calc-Training_P_00007_LEFT_CC/FILM"):
        raise ZeroDivisionError("an unexpected error")
sys.addaudithook(at_open)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unexpected_error_is_printed_with_its_traceback(workers, films, tmp_path):
    film = TRAIN[6]
    (tmp_path / "sitecustomize.py").write_text(UNEXPECTED.replace(f"{film.mammogram_id}/FILM", film.path))
    process = start(films, tmp_path / "out", f"--direct_num_workers={workers}", PYTHONPATH=str(tmp_path))
    _, error = process.communicate()
    assert process.returncode == 1
    assert "Traceback" in error
    last = error.splitlines()[-1]
    assert "ZeroDivisionError: an unexpected error" in last
    assert workers == 1 or last.startswith("error: the Beam job failed and left no result: ")
