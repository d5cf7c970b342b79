"""Hostile names in case descriptions, folders and files: nothing outside the output is changed, and all output is
printable text in which no name is HTML, a formula or a path outside the input.
"""

import csv
import json
import os
import subprocess
import sys

import pytest

from tests.pipelines.test_preprocess import omissions, tree
from tests.support.environments import ROOT
from tests.support.films import Described, as_in_csv, random_film, write_csv, write_dicom

TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 13)]
TEST = [Described("Mass-Test_P_00101_RIGHT_MLO", "1")]
HOSTILE = [
    "..", "../../outside", "a/../../outside", "/outside", "-rf", "--output=/", "=cmd|' /C calc'!A0", "@SUM(1)", "",
    "new\nline", "carriage\rreturn", "tab\there", "bell\a", "escape\x1b[2J\x1b]0;title\a", "null\0byte", "del\x7f",
    "\u202egnp.exe", "\u200b", "乳房X光片", "рентген", "צילום", "é", "e\u0301", "x" * 300, "é" * 150, " lead",
    "trail ", "a b", "a\\b", "..\\..\\outside", "C:\\outside", "con", "nul.txt", ".", "...", ".hidden", "~root",
    "$(touch outside)", "`touch outside`", "<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "{{7*7}}",
    "%s%n", "%2e%2e%2foutside",
]  # fmt: skip


def command(module, *words, **environment):
    ran = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)], cwd=ROOT, env=os.environ | environment, capture_output=True,
        check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr


def is_printable(output, encoding="utf-8"):
    """Whether output consists of lines of printable text, without characters that control a terminal."""
    return all(line.isprintable() for line in output.decode(encoding).split("\n"))


@pytest.fixture
def root(tmp_path):
    """A folder with films that have usual names, and a film outside the input root, which must not be read."""
    for number, film in enumerate([*TRAIN, *TEST]):
        as_in_csv(tmp_path / "deep/images", film, random_film(number))
    write_csv(tmp_path / "test.csv", TEST)
    write_dicom(tmp_path / "outside/1.2.3/4.5.6/000000.dcm", random_film(99))
    return tmp_path


def run(root, **environment):
    before = {name: data for name, data in tree(root).items() if not name.startswith("deep/out/")}
    status, output = command(
        "pipelines.preprocess", f"--input={root}/deep/images", f"--output={root}/deep/out", "--max_rejected=1",
        f"--train_csv={root}/train.csv", f"--test_csv={root}/test.csv", "--direct_num_workers=1", **environment,
    )  # fmt: skip
    assert status == 0, output
    after = {name: data for name, data in tree(root).items() if not name.startswith("deep/out/")}
    assert after == before  # nothing was written outside the output
    return output


def check_output(root, output):
    """Checks the output of a run, its data set and the report on it; returns the output folder."""
    out = root / "deep/out"
    assert is_printable(output)
    for module in ("pipelines.verify", "pipelines.report"):
        status, output = command(module, out)
        assert status == 0, output
        assert is_printable(output)
    page = (out / "report.html").read_text()
    assert all(char.isprintable() or char == "\n" for char in page)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    with open(out / "dataset.csv", newline="") as file:
        for row in csv.reader(file):
            assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in row)
    return out


def test_hostile_names_in_a_description(root):
    """As patient, as mammogram ID and as each part of a path: each mammogram is listed as rejected."""
    rows, described = [], set()
    for number, name in enumerate(HOSTILE):
        usual = Described(f"Calc-Training_P_{1000 + number:05d}_LEFT_CC")
        rows.append([f"{name}{number}", "2", "LEFT", "CC", usual.path])
        described.add(usual.mammogram_id)
        for kind, path in enumerate((f"{name}/1.2.3/4.5.{{}}/0.dcm", f"A/{name}/4.5.{{}}/0.dcm", f"A/4.5.{{}}/{name}")):
            place = 10_000 * (kind + 1) + number
            rows.append([f"P_{place}", "2", "LEFT", "CC", path.format(place)])
            described.add(f"P_{place}_LEFT_CC")
    write_csv(root / "train.csv", [*TRAIN, *rows])
    out = check_output(root, run(root))
    assert len(list((out / "small_train").glob("*.png"))) == len(TRAIN)
    assert {line["case"] for line in omissions(out)} == described


def test_hostile_names_of_folders(root):
    """Films in folders with such names are prepared; if the name is not printable text, they are rejected."""
    printable, unprintable = 0, 0
    films = []
    for number, name in enumerate(n for n in HOSTILE if n.strip(".") and "/" not in n and "\0" not in n):
        if len(name.encode()) > 255:
            continue
        film = Described(f"Calc-Training_P_{1000 + number:05d}_RIGHT_CC", "3")
        as_in_csv(root / "deep/images" / name, film, random_film(number))
        films.append(film)
        printable, unprintable = printable + name.isprintable(), unprintable + (not name.isprintable())
    not_utf8 = Described("Calc-Training_P_00999_RIGHT_CC", "3")
    os.makedirs(os.fsencode(root / "deep/images") + b"/\xff\xfe")
    path = as_in_csv(root, not_utf8, random_film(7))
    os.renames(
        os.fsencode(path.parents[2]), os.fsencode(root / "deep/images") + b"/\xff\xfe/" + not_utf8.mammogram_id.encode()
    )
    write_csv(root / "train.csv", [*TRAIN, *films, not_utf8])
    out = check_output(root, run(root))
    assert len(list((out / "small_train").glob("*.png"))) == len(TRAIN) + printable
    lines = omissions(out)
    assert len(lines) == unprintable + 1
    assert {line["stage"] for line in lines} == {"match"}
    assert all("is not printable text; rename it" in line["reason"] for line in lines)


def test_a_terminal_without_the_characters_of_a_name(root):
    film = Described("Calc-Training_P_01000_RIGHT_CC", "3")
    write_csv(root / "train.csv", [*TRAIN, [film.patient, "3", "RIGHT", "CC", "乳房/1.2.3/4.5.6/000000.dcm"]])
    output = run(root, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert is_printable(output, "latin-1")
    assert json.dumps("乳房")[1:-1] in (root / "deep/out/rejected.jsonl").read_text()
