"""Local worker processes start from an environment with any path."""

import os
import signal
import subprocess
import sys
import sysconfig
import venv

import pytest

from pipelines.beam.local_workers import lost_worker, quote_interpreter
from tests.pipelines.test_preprocess import tree
from tests.support.environments import ROOT
from tests.support.films import Described, write_download

FOLDER = "it's (a) $HOME; & here"


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    """The interpreter of an environment with this environment's packages, in a folder with special characters."""
    folder = tmp_path_factory.mktemp("environments") / FOLDER
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin/python"


def test_workers_of_an_interpreter_in_a_folder_with_special_characters(interpreter, tmp_path):
    cases = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 9)]
    write_download(tmp_path, cases, [Described("Mass-Test_P_00301_RIGHT_MLO", "1")], ["as in the CSV"])
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "open(f'{os.environ[\"STARTED\"]}/{os.getpid()}', 'w').write(f'{sys.executable} {sys.orig_argv[2]}')\n"
    )

    def run(python, out, workers):
        (tmp_path / f"started-{workers}").mkdir()
        command = [
            python, "-m", "pipelines.preprocess", f"--input={tmp_path}/images", f"--output={out}",
            f"--train_csv={tmp_path}/csv/train.csv", f"--test_csv={tmp_path}/csv/test.csv",
            f"--direct_num_workers={workers}",
        ]  # fmt: skip
        environment = {"PYTHONPATH": str(tmp_path), "STARTED": f"{tmp_path}/started-{workers}"}
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [path.read_text() for path in (tmp_path / f"started-{workers}").iterdir()]

    run(sys.executable, tmp_path / "one", 1)
    started = run(interpreter, tmp_path / "two", 2)
    assert started.count(f"{interpreter} apache_beam.runners.worker.sdk_worker_main") == 2
    assert tree(tmp_path / "two") == tree(tmp_path / "one")


@pytest.mark.parametrize(("command", "expected"), [
    ("/a b/python -m worker", "exec '/a b/python' -m worker"),
    ("/a/python -m worker", "/a/python -m worker"),  # another interpreter, as of --environment_config
    ("'/a b/python' -m worker", "'/a b/python' -m worker"),  # quoted already
    ("/a b/python3 -m worker", "/a b/python3 -m worker"),
])  # fmt: skip
def test_only_the_interpreter_of_this_process_is_quoted(command, expected):
    assert quote_interpreter(command, "/a b/python") == expected


@pytest.mark.parametrize(("status", "line", "expected"), [
    (-signal.SIGKILL, "x", "was killed by SIGKILL; `dmesg` shows whether the system was out of memory"),
    (-signal.SIGSEGV, "", "was killed by SIGSEGV; the workers wrote no message"),
    (-(signal.SIGRTMIN + 1), "", f"was killed by signal {signal.SIGRTMIN + 1}; the workers wrote no message"),
    (127, "not found", "ended with status 127; the last line from the workers is: not found"),
    (170, "", "ended with status 170; the workers wrote no message"),
    (None, "", "ended before its work did; the workers wrote no message"),
])  # fmt: skip
def test_the_end_of_a_worker_is_described_without_a_guess(status, line, expected):
    assert str(lost_worker(status, line)) == (
        f"a worker process {expected}; the same command continues with the files that are there"
    )
