"""Full disks, read-only outputs, and films that cannot be read or that change during a run."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.pipelines.test_preprocess import omissions, tree
from tests.support.cloud import assert_same_dataset
from tests.support.environments import ROOT
from tests.support.films import Described, random_film, write_dicom, write_download

TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 31)]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_MLO", str(n % 4 + 1)) for n in range(101, 111)]
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
"""Words before a command that remove the privileges of root, to which file permissions do not apply."""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    write_download(root, TRAIN, TEST, ["as in the CSV"])
    return root


@pytest.fixture(scope="module")
def expected(films):
    assert run(films, films / "expected")[0] == 0
    return tree(films / "expected")


@pytest.fixture
def disk(tmp_path):
    """The mount point of a new file system of 12 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", mount], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield mount
    subprocess.run(["umount", mount], check=True)


def command(films, out, *words):
    return [
        *WITHOUT_PRIVILEGES, sys.executable, "-m", "pipelines.preprocess", f"--input={films}/images", f"--output={out}",
        f"--train_csv={films}/csv/train.csv", f"--test_csv={films}/csv/test.csv", "--direct_num_workers=1", *words,
    ]  # fmt: skip


def run(films, out, *words, environment=None):
    ran = subprocess.run(command(films, out, *words), cwd=ROOT, env=os.environ | (environment or {}),
                         capture_output=True, text=True, check=False)  # fmt: skip
    return ran.returncode, ran.stdout, ran.stderr


@contextmanager
def ballast(disk, free):
    """Fills a file system except for `free` bytes while the context is open."""
    status = os.statvfs(disk)
    path = disk / "ballast"
    path.write_bytes(b"x" * (status.f_bavail * status.f_frsize - free))
    yield
    path.unlink()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_fills_during_a_run(workers, films, expected, disk, rng, full):
    """The disk becomes full at a random byte: the run ends with one line, and completes when there is space."""
    needed = sum(map(len, expected.values()))
    for free in [rng.randint(0, needed) for _ in range(8 if full else 1)]:
        out = disk / "out"
        with ballast(disk, free):
            status, _, error = run(films, out, f"--direct_num_workers={workers}")
            assert (status in (1, 2), error.count("\n")) == (True, 1), error  # 2: no space for the lock
            assert "No space left on device" in error, error
            assert not (out / "manifest.json").exists()
        status, _, error = run(films, out, f"--direct_num_workers={workers}")
        assert status == 0, error
        assert tree(out) == expected
        shutil.rmtree(out)


def test_a_full_disk_leaves_the_published_data_set(films, expected, disk):
    out = disk / "out"
    assert run(films, out)[0] == 0
    with ballast(disk, 100_000):
        status, _, error = run(films, out, "--resample=nearest", "--force")
        assert (status, error.count("\n")) == (1, 1), error
        assert {name: data for name, data in tree(out).items() if not name.startswith(".staging/")} == expected
    assert run(films, out)[0] == 0
    assert tree(out) == expected


def test_a_read_only_file_system(films, disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    status, _, error = run(films, disk / "out")
    assert (status, error) == (
        2, f"error: {disk}/out: cannot be written to (Read-only file system); choose another --output\n"
    )  # fmt: skip


def test_a_folder_without_write_permission(films, tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    status, _, error = run(films, tmp_path / "out")
    assert (status, error) == (
        2, f"error: {tmp_path}/out: cannot be written to (Permission denied); choose another --output\n"
    )  # fmt: skip


@pytest.fixture
def own(tmp_path):
    """A folder with films that the test may damage."""
    write_download(tmp_path, TRAIN, TEST, ["as in the CSV"])
    return tmp_path


def test_a_film_without_read_permission(own, expected):
    path = own / "images" / TRAIN[0].path
    path.chmod(0)
    status, _, error = run(own, own / "out")
    assert status == 0, error
    (line,) = omissions(own / "out")
    assert (line["case"], line["stage"]) == (TRAIN[0].mammogram_id, "header")
    assert line["reason"] == "the file cannot be opened (Permission denied)"
    path.chmod(0o644)
    shutil.rmtree(own / "out")
    assert run(own, own / "out")[0] == 0
    assert_same_dataset(tree(own / "out"), expected)


CHANGING = """
import os, sys
from pathlib import Path
path, what = Path(os.environ["CHANGED"]), os.environ["CHANGE"]
opened = 0
def count_openings(event, args):
    global opened
    if event == "open" and str(args[0]) == str(path):
        opened += 1
        if opened == 2:  # the first time, the header is read, the second time the pixels
            change()
def change():
    global path
    here, path = path, Path("/gone")
    if what == "gone":
        here.unlink()
    elif what == "cut":
        os.truncate(here, here.stat().st_size // 2)
    elif what == "replaced":
        here.with_name("new").write_bytes(here.read_bytes())
        os.utime(here.with_name("new"), (1, 1))
        os.replace(here.with_name("new"), here)
sys.addaudithook(count_openings)
"""


@pytest.mark.parametrize(("what", "stage", "reason"), [
    ("gone", "pixels", "the file cannot be opened (No such file or directory)"),
    ("cut", "header", "its header specifies 300 x 200 pixels of 16 bits (120,000 bytes); the file has only 59,"),
    ("replaced", "pixels", "the file changed while the job was running"),
])  # fmt: skip
def test_a_film_that_changes_during_a_run(what, stage, reason, own, tmp_path):
    """It is changed after its header was read and before its pixels are read: it is rejected."""
    film = TRAIN[0]
    write_dicom(own / "images" / film.path, random_film(1, 300, 200))
    (tmp_path / "changing").mkdir()
    (tmp_path / "changing/sitecustomize.py").write_text(CHANGING)
    environment = {
        "PYTHONPATH": str(tmp_path / "changing"), "CHANGED": str(own / "images" / film.path), "CHANGE": what,
    }  # fmt: skip
    status, _, error = run(own, own / "out", environment=environment)
    assert status == 0, error
    (line,) = omissions(own / "out")
    assert (line["case"], line["stage"]) == (film.mammogram_id, stage)
    assert line["reason"].startswith(reason)


def test_a_named_pipe_is_not_read(own):
    path = own / "images" / TRAIN[0].path
    path.unlink()
    os.mkfifo(path)  # reading it would wait forever
    status, _, error = run(own, own / "out")
    assert status == 0, error
    (line,) = omissions(own / "out")
    assert (line["case"], line["stage"]) == (TRAIN[0].mammogram_id, "match")


def test_symbolic_links_in_the_input(own, expected):
    """A link to a file below the input root is read; a link to a file outside is not."""
    inside, outside = (own / "images" / film.path for film in TRAIN[:2])
    inside.rename(own / "images/elsewhere.dcm")
    inside.symlink_to(own / "images/elsewhere.dcm")
    outside.rename(own / "outside.dcm")
    outside.symlink_to(own / "outside.dcm")
    status, _, error = run(own, own / "out")
    assert status == 0, error
    (line,) = omissions(own / "out")
    assert (line["case"], line["reason"]) == (
        TRAIN[1].mammogram_id, "a link that leads out of the input root; put the file itself there"
    )  # fmt: skip
    names = {f"small_train/{TRAIN[0].density}_{TRAIN[0].mammogram_id}.png"}
    assert {tree(own / "out")[name] for name in names} == {expected[name] for name in names}


@pytest.mark.parametrize("folder", ["small_train", "cache", ".staging"])
def test_nothing_is_written_through_a_link_in_the_output(folder, films, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "out" / folder).symlink_to(tmp_path / "mine")
    status, _, error = run(films, tmp_path / "out")
    assert (status, error) == (
        2,
        f"error: {tmp_path}/out/{folder}: a symbolic link; the output must be a real folder; choose another --output\n",
    )  # fmt: skip
    assert list((tmp_path / "mine").iterdir()) == []
