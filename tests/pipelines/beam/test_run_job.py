"""How the command ends when its job does not: one line for what can be foreseen, everything for what cannot."""

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


def test_a_job_server_that_is_not_there(films, tmp_path):
    process = start(films, tmp_path / "out", "--runner=PortableRunner", "--job_endpoint=localhost:1")
    _, error = process.communicate()
    assert process.returncode == 2
    assert error.startswith("error: --job_endpoint localhost:1: no job server answers there (")
    assert error.count("\n") == 1


GOES_ON = "the same command continues from what was saved\n"


AT_THE_TENTH_IMAGE = """
import contextlib, os, signal, sys
images = 0
def look(event, args):
    global images
    if event == "os.rename" and str(args[1]).endswith(".png"):
        images += 1
        if images == 10:
            with contextlib.suppress(FileExistsError):  # one of two workers does it
                os.mkdir(os.environ["TOLD"])
                {}
sys.addaudithook(look)
"""
KEYBOARD = "os.killpg(os.getsid(0), signal.SIGINT)"  # a terminal sends it to the workers, too, who have much to say
TERMINATION = "os.kill(os.getsid(0), signal.SIGTERM)"


LOSS = "os.kill(os.getpid(), signal.SIGKILL)"  # of a worker
LOST = (
    "error: a worker process was killed by SIGKILL, perhaps for want of memory; "
    "the same command continues with the files that are there\n"
)


@pytest.mark.parametrize(("workers", "deed", "outcome"), [
    (1, KEYBOARD, (130, f"interrupted: {GOES_ON}")),
    (2, KEYBOARD, (130, f"interrupted: {GOES_ON}")),
    (1, TERMINATION, (143, f"stopped by SIGTERM: {GOES_ON}")),
    (2, TERMINATION, (143, f"stopped by SIGTERM: {GOES_ON}")),
    (2, LOSS, (1, LOST)),
])  # fmt: skip
def test_a_run_that_is_made_to_end_says_one_line(workers, deed, outcome, films, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(AT_THE_TENTH_IMAGE.format(deed))
    process = start(films, tmp_path / "out", f"--direct_num_workers={workers}", PYTHONPATH=str(tmp_path),
                    TOLD=str(tmp_path / "told"))  # fmt: skip
    _, error = process.communicate()
    assert (process.returncode, error) == outcome
    assert not (tmp_path / "out/.lock").exists()
    assert not (tmp_path / "out/manifest.json").exists()


UNFORESEEN = """
import sys
def look(event, args):
    if event == "open" and str(args[0]).endswith("Calc-Training_P_00007_LEFT_CC/FILM"):
        raise ZeroDivisionError("nobody foresaw this")
sys.addaudithook(look)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_what_nobody_foresaw_is_told_in_full(workers, films, tmp_path):
    film = TRAIN[6]
    (tmp_path / "sitecustomize.py").write_text(UNFORESEEN.replace(f"{film.mammogram_id}/FILM", film.path))
    process = start(films, tmp_path / "out", f"--direct_num_workers={workers}", PYTHONPATH=str(tmp_path))
    _, error = process.communicate()
    assert process.returncode == 1
    assert "Traceback" in error
    last = error.splitlines()[-1]
    assert "ZeroDivisionError: nobody foresaw this" in last
    assert workers == 1 or last.startswith("error: the Beam job failed and left no data set: ")
