"""SIGKILL at any step of a run, to its main process, a worker or all of it; then the same command once more."""

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
    return {"PYTHONPATH": str(KILLING), "KILL_BELOW": str(out), "KILL_AT": str(at), "KILL_WHAT": what,
            "KILL_COUNTS": str(counts)}  # fmt: skip


@pytest.fixture(scope="module", params=[1, 2])
def whole(request, films, tmp_path_factory):
    """What an uninterrupted run makes, and how many steps its main process and its busiest one take."""
    root = tmp_path_factory.mktemp("whole")
    process = start(films, root / "out", request.param, killing(root / "out", 0, "self", root / "counts"))
    said, _ = process.communicate()
    assert process.returncode == 0, said
    made = tree(root / "out")
    assert sum(name.endswith(".png") for name in made) == FILMS
    counts = sorted(map(int, (root / "counts").read_text().split()))
    return request.param, made, (counts[0] if request.param > 1 else 0, counts[-1])


class Watcher(threading.Thread):
    """Reads every file under a final name, again whenever it is another one, as long as the context is open."""

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
    """Name without the digest -> inode, of every image that is staged or published."""
    return {path.name.partition(".")[0]: path.stat().st_ino for path in out.rglob("*.png")}


@pytest.fixture
def moments(rng, full, whole):
    """Steps at which to kill, and whom. In one process, worker and main are the same."""
    processes, _, (of_main, most) = whole
    whom = ["self", "main", "all"] if processes > 1 else ["self"]
    rng.shuffle(whom)
    return [(rng.randint(of_main + 1, most), whom[n % len(whom)]) for n in range(20 if full else processes)]


def test_killed_and_run_again(whole, films, moments, tmp_path):
    processes, expected, (of_main, _) = whole
    for number, (at, what) in enumerate(moments):
        out = tmp_path / f"out-{number}"
        with Watcher(out, expected) as watcher:
            killed = start(films, out, processes, killing(out, at, what, tmp_path / "counts"))
            said, _ = killed.communicate()
            while killed.returncode == 0:  # two workers share the steps otherwise each time: none of them came so far
                shutil.rmtree(out)
                at = of_main + 1 + (at - of_main) * 3 // 4
                killed = start(films, out, processes, killing(out, at, what, tmp_path / "counts"))
                said, _ = killed.communicate()
            assert killed.returncode == (1 if what == "self" and processes > 1 else KILLED), (at, what, said)
            if killed.returncode == 1:
                assert said.rstrip().splitlines()[-1].startswith("error: "), said
            done = images(out)
            again = start(films, out, processes, {})
            said, _ = again.communicate()
            assert again.returncode == 0, (at, what, said)
        assert tree(out) == expected, (at, what)  # so that there is no temporary file, either
        assert watcher.wrong == []
        assert watcher.read >= len(expected)
        redone = [name for name, inode in images(out).items() if done.get(name) != inode]
        assert len(redone) <= 1.05 * (FILMS - len(done)), (at, what)


def test_killed_while_a_data_set_is_replaced(films, rng, full, tmp_path):
    """At any step of it: one data set or the other is there, whole, or none; and then the one that is asked for."""
    small = ["--train_per_category=1", "--test_count=1"]
    counts = tmp_path / "counts"
    run_to_end(films, tmp_path / "first", {}, *small)
    wanted = tree(tmp_path / "first")
    other = [*small, "--resample=nearest"]
    run_to_end(films, tmp_path / "other", {}, *other)
    before = tree(tmp_path / "other")
    shutil.copytree(tmp_path / "other", tmp_path / "counted")
    third = ["--train_per_category=2", "--test_count=1"]
    run_to_end(films, tmp_path / "third", {}, *third)
    others = [(small, wanted), (other, before), (third, tree(tmp_path / "third"))]
    run_to_end(films, tmp_path / "counted", killing(tmp_path / "counted", 0, "self", counts), *small, "--force")
    steps = range(1, int(counts.read_text()) + 1)
    for at in rng.sample(steps, 40 if full else 2):
        out = tmp_path / f"out-{at}"
        shutil.copytree(tmp_path / "other", out)
        process = start(films, out, 1, killing(out, at, "self", counts), *small, "--force")
        process.communicate()
        assert process.returncode == KILLED, at
        if (out / "manifest.json").exists():
            published = {name: data for name, data in tree(out).items() if not name.startswith(".")}
            assert published in (before, wanted), at
        words, outcome = rng.choice(others)  # the same command, that of the data set that was there, a third one
        shutil.copytree(out, tmp_path / "next")
        run_to_end(films, tmp_path / "next", {}, *words, "--force")
        assert tree(tmp_path / "next") == outcome, (at, words)
        shutil.rmtree(tmp_path / "next")
        left = run_again(films, out, *other)
        assert left in (before, wanted, {}), at  # without --force: the first one, whole, or a word that it is gone


def run_again(films, out, *words):
    """What stands after a run without --force; nothing where it was refused."""
    process = start(films, out, 1, {}, *words)
    said, _ = process.communicate()
    assert process.returncode == 0 or said.rstrip().splitlines()[-1].startswith("error: "), said
    return tree(out) if process.returncode == 0 else {}


def run_to_end(films, out, environment, *words):
    process = start(films, out, 1, environment, *words)
    said, _ = process.communicate()
    assert process.returncode == 0, said
