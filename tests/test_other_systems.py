"""The sample is the same without what other systems than Linux lack.

A `sitecustomize.py` takes away, in every process of a command, what macOS does not have: /proc, RLIMIT_AS,
posix_fadvise, the affinity of a process and its file descriptors, and fork as a way to start Python processes.
"""

import os
import subprocess
import sys

import pytest

from tests.pipelines.test_preprocess import tree
from tests.support.environments import ROOT
from tests.support.films import Described, write_download

TAKEN_AWAY = """
import builtins, errno, io, multiprocessing, os, resource

for name in ("posix_fadvise", "POSIX_FADV_WILLNEED", "sched_getaffinity", "sched_setaffinity", "pidfd_open", "fork"):
    delattr(os, name)
del resource.RLIMIT_AS
multiprocessing.set_start_method("spawn")
open(os.environ["LOADED"], "a").close()

def without_proc(function):
    def call(path, *others, **named):
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
        return function(path, *others, **named)
    return call

builtins.open = io.open = without_proc(open)
for name in ("open", "listdir", "scandir", "readlink", "stat", "lstat"):
    setattr(os, name, without_proc(getattr(os, name)))
"""
TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 10)]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(101, 105)]
LAYOUTS = ["NBIA classic", "converted PNG", "converted TIFF", "JPEG mirror"]


@pytest.fixture
def elsewhere(tmp_path):
    """Environment variables for processes that lack what macOS lacks."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(TAKEN_AWAY)
    return {"PYTHONPATH": str(tmp_path / "site"), "LOADED": str(tmp_path / "loaded")}


def run(module, *words, environment=None):
    ran = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)], cwd=ROOT, env=os.environ | (environment or {}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_sample_is_written_with_the_same_bytes(elsewhere, tmp_path):
    for name, environment in (("here", {}), ("elsewhere", elsewhere)):
        run("pipelines.make_sample", "--output", tmp_path / name, "--patients", 8, environment=environment)
    assert (tmp_path / "loaded").exists()
    assert tree(tmp_path / "elsewhere") == tree(tmp_path / "here")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_job_makes_the_same_bytes(workers, elsewhere, tmp_path):
    write_download(tmp_path, TRAIN, TEST, LAYOUTS)
    for name, environment in (("here", {}), ("elsewhere", elsewhere)):
        words = [f"--{split}_csv={tmp_path}/csv/{split}.csv" for split in ("train", "test")]
        run("pipelines.preprocess", f"--input={tmp_path}/images", f"--output={tmp_path}/{name}", *words,
            f"--direct_num_workers={workers}", environment=environment)  # fmt: skip
    run("pipelines.verify", tmp_path / "elsewhere", environment=elsewhere)
    assert (tmp_path / "loaded").exists()
    assert tree(tmp_path / "elsewhere") == tree(tmp_path / "here")
