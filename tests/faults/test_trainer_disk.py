"""Full or read-only disks and missing permissions: a run ends with one line, and the model folder is not damaged."""

import os
import re
import shutil
import subprocess

import pytest

from tests.faults.small_models import argv, assert_same_model, command, content, names_in, run
from trainer import gpu_model

SIZE_KB = 12 << 10
PAGE_KB = 4
ONE_LINE = re.compile(
    r"error: (.*): cannot be written \((?:No space left on device|records are missing, as on a full disk)\); free disk "
    r"space and run the same command: it continues from the last checkpoint"
)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """The mount point of a new file system of 12 MiB."""
    root = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "tmpfs", root], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a file system ({mounted.stderr.strip()})")
    yield root
    subprocess.run(["umount", "--lazy", root], check=True)  # failed runs in this process may have open files there


@pytest.fixture
def half(disk, trained):
    """The model folder of 20 steps, on the small file system."""
    yield shutil.copytree(trained / "half", disk / "m")
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def fill(disk, free_kb):
    """Fills a file system except for `free_kb` KiB and the page that the lock of the folder takes."""
    status, free = os.statvfs(disk), free_kb + PAGE_KB << 10
    (disk / "ballast").write_bytes(bytes(status.f_bavail * status.f_frsize - free))
    assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize == free


@pytest.fixture
def runs_out(data, disk, half, capfd):
    """A function that runs the command with `free_kb` KiB of free space, until it fails.

    It checks the message and that the model's older files are unchanged, makes the space free again, and returns the
    name of the file that could not be written.
    """

    def run_out(free_kb, steps, *flags):
        before = content(half)
        fill(disk, free_kb)
        assert gpu_model.main(argv(data, half, steps, *flags)) == 1
        (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith(("error: ", "warning: "))]
        match = ONE_LINE.fullmatch(line)
        assert match, line
        assert not [name for name in names_in(half) if name.startswith(".unfinished-") or "temp" in name]
        after = content(half)
        for name in before:
            if name.startswith(("ckpt-", "export/", "training.json", "model.keras")):
                assert after[name] == before[name], name
        (disk / "ballast").unlink()
        return match[1].removeprefix(f"{half}/")

    return run_out


def test_a_disk_that_fills_while_training(data, trained, half, runs_out, rng, full, capfd):
    cases = [(0, "training.json"), (100, "ckpt-30"), (960, "ckpt-30")]
    for free_kb, file in cases if full else [rng.choice(cases)]:
        assert runs_out(free_kb, 40) == file
        assert gpu_model.main(argv(data, half, 40)) == 0
        assert f"{half}: continues from its checkpoint of step 20\n" in capfd.readouterr().out
        assert_same_model(half, trained / "whole")
        shutil.rmtree(half)
        shutil.copytree(trained / "half", half)


def test_a_disk_that_fills_while_the_history_is_written(data, trained, half, runs_out):
    """The rows after the last checkpoint, and the incomplete last row, are removed by the next run."""
    assert runs_out(PAGE_KB, 400, "--checkpoint_steps=1000") == "history.csv"
    assert not (half / "history.csv").read_bytes().endswith(b"\n")
    assert gpu_model.main(argv(data, half, 40)) == 0
    assert_same_model(half, trained / "whole")


def test_a_disk_that_fills_after_training(data, trained, half, runs_out, rng, full):
    """TensorFlow's writer of event files does not raise an error by itself."""
    cases = [(PAGE_KB, "metrics.json"), (24, "tensorboard/eval"), (200, "model.keras")]
    for free_kb, file in cases if full else [rng.choice(cases)]:
        assert runs_out(free_kb, 20) == file
        assert gpu_model.main(argv(data, half, 20)) == 0
        assert_same_model(half, trained / "half")
        shutil.rmtree(half)
        shutil.copytree(trained / "half", half)


def test_a_disk_that_fills_while_the_saved_model_is_written(data, trained, half, runs_out):
    shutil.rmtree(half / "export")
    (half / "model.keras").unlink()
    assert runs_out(700, 20) == "export"
    assert "export" not in names_in(half)
    assert gpu_model.main(argv(data, half, 20)) == 0
    assert_same_model(half, trained / "half")


def test_a_run_with_little_free_space(data, trained, disk, rng, full):
    """From the first step, with any amount of space: it succeeds or ends with one line; the next run completes it."""
    for _ in range(20 if full else 1):
        fill(disk, rng.randrange(0, 6000, PAGE_KB))
        status, _, err = run(*command(data, disk / "m", 40))
        assert err == "" if status == 0 else status == 1 and ONE_LINE.fullmatch(err.rstrip("\n")), err
        (disk / "ballast").unlink()
        assert gpu_model.main(argv(data, disk / "m", 40)) == 0
        assert_same_model(disk / "m", trained / "whole")
        shutil.rmtree(disk / "m")


@pytest.fixture
def read_only(disk, half):
    """The same model folder, mounted read-only."""
    root = disk / "read_only"
    root.mkdir()
    subprocess.run(["mount", "--bind", half, root], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    yield root
    subprocess.run(["umount", root], check=True)


def test_a_read_only_disk(data, half, read_only, capfd):
    before = content(half)
    assert gpu_model.main(argv(data, read_only, 40)) == 2
    message = f"error: {read_only}: cannot be written to (Read-only file system); choose another --model_dir\n"
    assert capfd.readouterr().err == message
    assert content(half) == before


@pytest.fixture
def without_privilege():
    """Words before a command that make file permissions apply to it, also if root runs the tests."""
    if os.geteuid():
        return []
    words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("permissions do not apply to root; needs setpriv (util-linux) or another user")
    return words


def test_files_without_permission_are_not_taken_for_damaged(data, trained, tmp_path, without_privilege, rng, full):
    names = ("training.json", "ckpt-20.index", "ckpt-20.data-00000-of-00001", "history.csv", "")
    for name in names if full else [rng.choice(names)]:
        model_dir = shutil.copytree(trained / "half", tmp_path / f"m-{name}")
        before = content(model_dir)
        (model_dir / name).chmod(0 if name else 0o555)
        status, _, err = run(*without_privilege, *command(data, model_dir, 40))
        message = f"/{name}: cannot be read (Permission denied); correct this, or" if name else (
            ": cannot be written to (Permission denied);"
        )  # fmt: skip
        assert (status, err) == (2, f"error: {model_dir}{message} choose another --model_dir\n")
        (model_dir / name).chmod(0o755)
        assert content(model_dir) == before
