"""SIGKILL at any step of a run, to its main process, a worker or all processes; then the same command again."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.faults import FULL
from tests.pipelines.test_preprocess import tree
from tests.support.environments import ROOT
from tests.support.films import Described, write_download

KILLING = Path(__file__).parent / "killing"
KILLED = -9
CASES = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 226 if FULL else 76)]
TEST_CASES = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(301, 376 if FULL else 326)]
FILMS = len(CASES) + len(TEST_CASES)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_download(root, CASES, TEST_CASES, ["as in the CSV"])
    return root


def start(films, out, processes, environment, *words):
    command = [
        sys.executable, "-m", "pipelines.preprocess", f"--input={films}/images", f"--output={out}",
        f"--train_csv={films}/csv/train.csv", f"--test_csv={films}/csv/test.csv",
        f"--direct_num_workers={processes}", *words,
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip


def killing(out, at, what, counts):
    """Returns the environment variables for `killing/sitecustomize.py`."""
    return {"PYTHONPATH": str(KILLING), "KILL_BELOW": str(out), "KILL_AT": str(at), "KILL_WHAT": what,
            "KILL_COUNTS": str(counts)}  # fmt: skip


@pytest.fixture(scope="module", params=[1, 2])
def whole(request, films, tmp_path_factory):
    """(number of workers, {name: bytes} of the output, (smallest, largest number of steps)) of an uninterrupted run.

    The numbers of steps are those of its processes. With two workers, the main process takes the fewest; with one
    worker, the smallest number is given as 0.
    """
    root = tmp_path_factory.mktemp("whole")
    process = start(films, root / "out", request.param, killing(root / "out", 0, "self", root / "counts"))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    written = tree(root / "out")
    assert sum(name.endswith(".png") for name in written) == FILMS
    counts = sorted(map(int, (root / "counts").read_text().split()))
    return request.param, written, (counts[0] if request.param > 1 else 0, counts[-1])


class Watcher(threading.Thread):
    """Reads the published files while the context is open, each again when it was replaced.

    Attributes:
        read: how many files were read.
        wrong: names of files that were read with wrong content.
    """

    def __init__(self, out, expected):
        super().__init__()
        self.out, self.ended, self.read, self.wrong = out, threading.Event(), 0, []
        self.digests = {name: hashlib.sha256(data).digest() for name, data in expected.items()}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def run(self):
        seen = {}
        while not self.ended.is_set():
            for name, digest in self.digests.items():
                try:
                    with open(self.out / name, "rb") as file:
                        inode = os.fstat(file.fileno()).st_ino
                        if seen.get(name) == inode:
                            continue
                        whole = hashlib.sha256(file.read()).digest() == digest
                except FileNotFoundError:
                    continue
                seen[name] = inode
                self.read += 1
                if not whole:
                    self.wrong.append(name)


def images(out):
    """Returns {name of the image: inode} of every image that is staged or published."""
    return {path.name.partition(".")[0]: path.stat().st_ino for path in out.rglob("*.png")}


@pytest.fixture
def moments(rng, full, whole):
    """A list of (step at which to kill, what to kill). A run with one worker has one process only."""
    processes, _, (of_main, most) = whole
    kinds = ["self", "main", "all"] if processes > 1 else ["self"]
    rng.shuffle(kinds)
    return [(rng.randint(of_main + 1, most), kinds[n % len(kinds)]) for n in range(20 if full else processes)]


def test_a_killed_run_is_completed_by_the_same_command(whole, films, moments, tmp_path):
    processes, expected, (of_main, _) = whole
    for number, (at, what) in enumerate(moments):
        out = tmp_path / f"out-{number}"
        with Watcher(out, expected) as watcher:
            killed = start(films, out, processes, killing(out, at, what, tmp_path / "counts"))
            output, _ = killed.communicate()
            while killed.returncode == 0:  # two workers share the steps differently each time; neither took so many
                shutil.rmtree(out)
                at = of_main + 1 + (at - of_main) * 3 // 4
                killed = start(films, out, processes, killing(out, at, what, tmp_path / "counts"))
                output, _ = killed.communicate()
            assert killed.returncode == (1 if what == "self" and processes > 1 else KILLED), (at, what, output)
            if killed.returncode == 1:
                assert output.rstrip().splitlines()[-1].startswith("error: "), output
            done = images(out)
            again = start(films, out, processes, {})
            output, _ = again.communicate()
            assert again.returncode == 0, (at, what, output)
        assert tree(out) == expected, (at, what)  # there are no temporary files either
        assert watcher.wrong == []
        assert watcher.read >= len(expected)
        redone = [name for name, inode in images(out).items() if done.get(name) != inode]
        assert len(redone) <= 1.05 * (FILMS - len(done)), (at, what)


def test_a_run_that_replaces_a_data_set_is_killed(films, rng, full, tmp_path):
    """At any step: afterwards the old data set is there, or the new one, or none, and the next run makes its own."""
    small = ["--train_per_category=1", "--test_count=1"]
    counts = tmp_path / "counts"
    run_to_end(films, tmp_path / "first", {}, *small)
    new = tree(tmp_path / "first")
    other = [*small, "--resample=nearest"]
    run_to_end(films, tmp_path / "other", {}, *other)
    old = tree(tmp_path / "other")
    shutil.copytree(tmp_path / "other", tmp_path / "counted")
    third = ["--train_per_category=2", "--test_count=1"]
    run_to_end(films, tmp_path / "third", {}, *third)
    others = [(small, new), (other, old), (third, tree(tmp_path / "third"))]
    run_to_end(films, tmp_path / "counted", killing(tmp_path / "counted", 0, "self", counts), *small, "--force")
    steps = range(1, int(counts.read_text()) + 1)
    for at in rng.sample(steps, 40 if full else 2):
        out = tmp_path / f"out-{at}"
        shutil.copytree(tmp_path / "other", out)
        process = start(films, out, 1, killing(out, at, "self", counts), *small, "--force")
        process.communicate()
        assert process.returncode == KILLED, at
        if (out / "manifest.json").exists():
            published = {name: data for name, data in tree(out).items() if not name.startswith((".staging", ".lock"))}
            assert published in (old, new), at
        words, outcome = rng.choice(others)  # the same command, that of the old data set, or a third one
        shutil.copytree(out, tmp_path / "next")
        run_to_end(films, tmp_path / "next", {}, *words, "--force")
        assert tree(tmp_path / "next") == outcome, (at, words)
        shutil.rmtree(tmp_path / "next")
        left = run_again(films, out, *other)
        assert left in (old, new, {}), at  # without --force: a whole data set, or an error


def run_again(films, out, *words):
    """Runs the command without --force and returns {name: bytes} of its output; {} if it ends with an error."""
    process = start(films, out, 1, {}, *words)
    output, _ = process.communicate()
    assert process.returncode == 0 or output.rstrip().splitlines()[-1].startswith("error: "), output
    return tree(out) if process.returncode == 0 else {}


def run_to_end(films, out, environment, *words):
    process = start(films, out, 1, environment, *words)
    output, _ = process.communicate()
    assert process.returncode == 0, output
