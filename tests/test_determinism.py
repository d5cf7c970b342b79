"""The output does not depend on workers, parts, hash seed, locale, time zone, umask, Python version or input order."""

import json
import os
import random
import shutil
import subprocess
import sys

import pytest

from tests.faults import FULL
from tests.pipelines.test_preprocess import tree
from tests.support.environments import ROOT, copy_project, make_environment
from tests.support.films import LAYOUTS, Described, random_film, write_csv

FILMS = [
    Described(f"{kind}-{split}_P_{number:05d}_LEFT_CC", str(number % 4 + 1))
    for kind, split, first in (("Calc", "Training", 0), ("Mass", "Training", 100), ("Calc", "Test", 200))
    for number in range(first + 1, first + 16)
]
TRAIN, TEST = FILMS[:30], FILMS[30:]


def run(root, out, *words, python=sys.executable, umask=-1, cwd=ROOT, **environment):
    """Runs the command in another process; returns {name: bytes} of its output."""
    argv = [python, "-m", "pipelines.preprocess", "--input", root / "images", "--output", root / out]
    argv += ["--train_csv", root / "train.csv", "--test_csv", root / "test.csv", *words]
    ran = subprocess.run(
        [str(word) for word in argv], cwd=cwd, env=os.environ | environment, umask=umask,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    written = tree(root / out)
    assert len(written) == len(FILMS) + 13  # tables, records, cards, manifest and versions
    return written


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_csv(root / "train.csv", TRAIN)
    write_csv(root / "test.csv", TEST)
    for number, film in enumerate(FILMS):
        LAYOUTS["NBIA descriptive"](root / "images", film, random_film(number))
    return root


@pytest.fixture(scope="module")
def once(films):
    return run(films, "once", "--direct_num_workers=1", PYTHONHASHSEED="1")


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("--direct_num_workers=1", "--record_parts=1"), {"PYTHONHASHSEED": "2"}),
        (("--direct_num_workers=2", "--record_parts=4"), {"PYTHONHASHSEED": "3"}),
        (("--direct_num_workers=2", "--record_parts=7"), {"LC_ALL": "C", "TZ": "Asia/Kathmandu"}),
        ((), {}),
    ],
)
def test_workers_parts_and_environment_change_no_byte(words, environment, films, once, request):
    assert run(films, request.node.name, *words, **environment) == once


def test_the_order_of_the_rows_changes_no_byte(films, once):
    shuffled = [*TRAIN, *TRAIN]  # with two rows for each mammogram
    random.Random(3).shuffle(shuffled)
    write_csv(films / "train.csv", shuffled)
    try:
        assert run(films, "shuffled", "--direct_num_workers=1") == once
    finally:
        write_csv(films / "train.csv", TRAIN)


def test_the_umask_changes_no_byte(films, once):
    assert run(films, "umask", "--direct_num_workers=1", umask=0o077) == once


OTHER_ORDER = """
import os, random
class Listing:
    def __init__(self, path, scandir=os.scandir):
        self.entries = list(scandir(path))
        random.Random(7).shuffle(self.entries)
    def __iter__(self):
        return self
    def __next__(self):
        if self.entries:
            return self.entries.pop()
        raise StopIteration
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
os.scandir = Listing
"""


def test_the_order_of_the_listing_changes_no_byte(films, once, tmp_path):
    """os.scandir is replaced, because the file system at hand may always list a folder in the same order."""
    (tmp_path / "sitecustomize.py").write_text(OTHER_ORDER)
    assert run(films, "listing", "--direct_num_workers=1", PYTHONPATH=str(tmp_path)) == once


@pytest.mark.skipif(not FULL, reason="makes virtual environments; runs with `make test-faults`")
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_other_pythons_change_no_byte(version, films, once, tmp_path):
    """In a new environment with the built package. Only the versions in the manifest differ."""
    interpreter = subprocess.run([f"python{version}", "-c", "import sys; print(sys.executable)"], capture_output=True,
                                 text=True, check=False) if shutil.which(f"python{version}") else None  # fmt: skip
    if interpreter is None or interpreter.returncode:
        pytest.skip(f"needs Python {version}")
    (tmp_path / "project").mkdir()
    package = copy_project(tmp_path / "project")
    python = make_environment(tmp_path / "venv", [package], interpreter.stdout.strip())
    written = run(films, f"python-{version}", "--direct_num_workers=1", python=python, cwd="/")
    expected = dict(once)
    manifest, here = (json.loads(files.pop("manifest.json")) for files in (written, expected))
    assert written == expected
    assert manifest.pop("versions")["python"].startswith(version)
    here.pop("versions")
    assert manifest == here
