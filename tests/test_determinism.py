"""The same bytes, whatever the workers, the parts, the hash seed and the order of the input."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.films import LAYOUTS, Described, random_film, write_csv
from tests.test_preprocess import tree

FILMS = [
    Described(f"{kind}-{split}_P_{number:05d}_LEFT_CC", str(number % 4 + 1))
    for kind, split, first in (("Calc", "Training", 0), ("Mass", "Training", 100), ("Calc", "Test", 200))
    for number in range(first + 1, first + 16)
]
TRAIN, TEST = FILMS[:30], FILMS[30:]


def run(root, out, *words, **environment):
    """The command in a process of its own, as a user starts it."""
    argv = [sys.executable, "-m", "pipelines.preprocess", "--input", root / "images", "--output", root / out]
    argv += ["--train_csv", root / "train.csv", "--test_csv", root / "test.csv", *words]
    ran = subprocess.run(
        [str(word) for word in argv], cwd=Path(__file__).parents[1], env=os.environ | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    written = tree(root / out)
    assert len(written) == len(FILMS) + 5
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
def test_the_same_bytes(words, environment, films, once, request):
    assert run(films, request.node.name, *words, **environment) == once


def test_the_order_of_the_rows_changes_no_byte(films, once):
    shuffled = [*TRAIN, *TRAIN]  # and a second row for each mammogram
    random.Random(3).shuffle(shuffled)
    write_csv(films / "train.csv", shuffled)
    try:
        assert run(films, "shuffled", "--direct_num_workers=1") == once
    finally:
        write_csv(films / "train.csv", TRAIN)
