"""Disks that are full or may not be written to, and files that may not be read: one line, and nothing is lost."""

import os
import re
import shutil
import subprocess

import pytest

from tests.faults.small_models import argv, assert_ends_alike, command, content, names_in, run
from trainer import gpu_model

SIZE_KB = 12 << 10
PAGE_KB = 4
ONE_LINE = re.compile(
    r"error: (.*): cannot be written \((?:No space left on device|a part is missing, as on a full disk)\); make room "
    r"and run the same command, which goes on from the last checkpoint"
)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A small disk of its own."""
    root = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "tmpfs", root], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted ({mounted.stderr.strip()}); wants root, or CAP_SYS_ADMIN")
    yield root
    subprocess.run(["umount", "--lazy", root], check=True)  # a run that failed in this process has files open


@pytest.fixture
def half(disk, trained):
    """The model of 20 steps, on the small disk."""
    yield shutil.copytree(trained / "half", disk / "m")
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def fill(disk, free_kb):
    """Leaves so much room on the disk, and what the folder's lock takes."""
    found, free = os.statvfs(disk), free_kb + PAGE_KB << 10
    (disk / "ballast").write_bytes(bytes(found.f_bavail * found.f_frsize - free))
    assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize == free


@pytest.fixture
def runs_out(data, disk, half, capfd):
    """Runs the command on a disk with so much room; returns what could not be written, having looked at what is left.

    Then the ballast is gone.
    """

    def run_out(free_kb, steps, *flags):
        before = content(half)
        fill(disk, free_kb)
        assert gpu_model.main(argv(data, half, steps, *flags)) == 1
        (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith(("error: ", "warning: "))]
        named = ONE_LINE.fullmatch(line)
        assert named, line
        assert not [name for name in names_in(half) if name.startswith(".unfinished-") or "temp" in name]
        after = content(half)
        for name in before:
            if name.startswith(("ckpt-", "export/", "training.json", "model.keras")):
                assert after[name] == before[name], name
        (disk / "ballast").unlink()
        return named[1].removeprefix(f"{half}/")

    return run_out


def test_a_disk_that_fills_while_training(data, trained, half, runs_out, rng, full, capfd):
    cases = [(0, "training.json"), (100, "ckpt-30"), (960, "ckpt-30")]
    for free_kb, named in cases if full else [rng.choice(cases)]:
        assert runs_out(free_kb, 40) == named
        assert gpu_model.main(argv(data, half, 40)) == 0
        assert f"{half}: goes on from its checkpoint of step 20\n" in capfd.readouterr().out
        assert_ends_alike(half, trained / "whole")
        shutil.rmtree(half)
        shutil.copytree(trained / "half", half)


def test_a_disk_that_fills_while_the_history_is_written(data, trained, half, runs_out):
    """The rows that it took are cut off again, and so is the half of one."""
    assert runs_out(PAGE_KB, 400, "--checkpoint_steps=1000") == "history.csv"
    assert not (half / "history.csv").read_bytes().endswith(b"\n")
    assert gpu_model.main(argv(data, half, 40)) == 0
    assert_ends_alike(half, trained / "whole")


def test_a_disk_that_fills_after_training(data, trained, half, runs_out, rng, full):
    """TensorFlow's writer of events says nothing of its own accord."""
    cases = [(PAGE_KB, "tensorboard/eval"), (16, "tensorboard/eval"), (200, "model.keras")]
    for free_kb, named in cases if full else [rng.choice(cases)]:
        assert runs_out(free_kb, 20) == named
        assert gpu_model.main(argv(data, half, 20)) == 0
        assert_ends_alike(half, trained / "half")
        shutil.rmtree(half)
        shutil.copytree(trained / "half", half)


def test_a_disk_that_fills_while_the_saved_model_is_written(data, trained, half, runs_out):
    shutil.rmtree(half / "export")
    (half / "model.keras").unlink()
    assert runs_out(700, 20) == "export"
    assert "export" not in names_in(half)
    assert gpu_model.main(argv(data, half, 20)) == 0
    assert_ends_alike(half, trained / "half")


def test_a_disk_that_fills_anywhere(data, trained, disk, rng, full):
    """A run from its first step, with any room: it ends in one line, or well; then it ends with the same bytes."""
    for _ in range(20 if full else 1):
        fill(disk, rng.randrange(0, 6000, PAGE_KB))
        status, _, err = run(*command(data, disk / "m", 40))
        assert err == "" if status == 0 else status == 1 and ONE_LINE.fullmatch(err.rstrip("\n")), err
        (disk / "ballast").unlink()
        assert gpu_model.main(argv(data, disk / "m", 40)) == 0
        assert_ends_alike(disk / "m", trained / "whole")
        shutil.rmtree(disk / "m")


@pytest.fixture
def read_only(disk, half):
    """The same model on a mount that may only be read."""
    root = disk / "read_only"
    root.mkdir()
    subprocess.run(["mount", "--bind", half, root], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    yield root
    subprocess.run(["umount", root], check=True)


def test_a_disk_that_may_only_be_read(data, half, read_only, capfd):
    before = content(half)
    assert gpu_model.main(argv(data, read_only, 40)) == 2
    message = f"error: {read_only}: cannot be written to (Read-only file system); choose another --model_dir\n"
    assert capfd.readouterr().err == message
    assert content(half) == before


@pytest.fixture
def without_privilege():
    """The words before a command to which permissions apply, also where root runs the tests."""
    if os.geteuid():
        return []
    words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("permissions do not apply to root here; wants setpriv (util-linux), or another user")
    return words


def test_what_permissions_forbid_is_no_damage(data, trained, tmp_path, without_privilege, rng, full):
    names = ("training.json", "ckpt-20.index", "ckpt-20.data-00000-of-00001", "history.csv", "")
    for name in names if full else [rng.choice(names)]:
        model_dir = shutil.copytree(trained / "half", tmp_path / f"m-{name}")
        before = content(model_dir)
        (model_dir / name).chmod(0 if name else 0o555)
        status, _, err = run(*without_privilege, *command(data, model_dir, 40))
        cannot = f"/{name}: cannot be read (Permission denied); see to it, or" if name else (
            ": cannot be written to (Permission denied);"
        )  # fmt: skip
        assert (status, err) == (2, f"error: {model_dir}{cannot} choose another --model_dir\n")
        (model_dir / name).chmod(0o755)
        assert content(model_dir) == before
