"""Damaged checkpoints: training continues from the one before, to the same bytes, or ends with an error."""

import os
import shutil

import pytest

from tests.faults.small_models import (
    STEPS,
    argv,
    assert_same_model,
    command,
    content,
    names_in,
    run,
)
from tests.support.cloud import objects, upload
from trainer import gpu_model

INDEX, DATA = "{}.index", "{}.data-00000-of-00001"


@pytest.fixture
def half(trained, tmp_path):
    return shutil.copytree(trained / "half", tmp_path / "m")


def cut(path, rng):
    os.truncate(path, rng.randrange(1, path.stat().st_size))


def empty(path, rng):
    os.truncate(path, 0)


def remove(path, rng):
    path.unlink()


def flip(path, rng):
    damaged = bytearray(path.read_bytes())
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    path.write_bytes(damaged)


def zero_a_page(path, rng):
    """Replaces a page by zeros, like a file system that saved the length of a file but not its content."""
    damaged = bytearray(path.read_bytes())
    begin = rng.randrange(0, len(damaged), 4096)
    damaged[begin : begin + 4096] = bytes(len(damaged[begin : begin + 4096]))
    path.write_bytes(damaged)


def noise(path, rng):
    path.write_bytes(rng.randbytes(path.stat().st_size))


NOTICED = [(cut, INDEX), (cut, DATA), (remove, INDEX), (remove, DATA), (empty, INDEX), (flip, DATA)]
ALL = [*NOTICED, (empty, DATA), (flip, INDEX), (zero_a_page, INDEX), (zero_a_page, DATA), (noise, INDEX), (noise, DATA)]
"""Damages that are not in NOTICED can have no effect: some bits of an index are not read, and a page can be zeros."""


def warnings(captured):
    """Returns the lines of this project on standard error, without lines that TensorFlow may print there."""
    return [line for line in captured.err.splitlines() if line.startswith(("warning: ", "error: "))]


def reports_damage(line, model_dir, step, before):
    """Whether a line warns that a checkpoint is damaged and that training continues from the step `before`."""
    return line.startswith(f"warning: {model_dir}: damaged: ckpt-{step} (") and line.endswith(
        f"); continues from step {before}"
    )


def test_a_damaged_checkpoint_is_skipped(data, trained, tmp_path, rng, full, capfd):
    for kind, file in NOTICED if full else rng.sample(NOTICED, 3):
        model_dir = shutil.copytree(trained / "half", tmp_path / f"{kind.__name__}-{file[2:]}")
        kind(model_dir / file.format("ckpt-20"), rng)
        assert gpu_model.main(argv(data, model_dir)) == 0
        captured = capfd.readouterr()
        (line,) = warnings(captured)
        assert reports_damage(line, model_dir, 20, 10)
        assert f"{model_dir}: continues from its checkpoint of step 10\n" in captured.out
        assert_same_model(model_dir, trained / "whole")


def test_any_damage_leads_to_the_same_bytes(data, trained, tmp_path, rng, full, capfd):
    """The checkpoint is skipped, or the damage is in bytes that are not read."""
    for number in range(60 if full else 2):
        model_dir = shutil.copytree(trained / "half", tmp_path / f"m{number}")
        kind, file = rng.choice(ALL)
        kind(model_dir / file.format("ckpt-20"), rng)
        assert gpu_model.main(argv(data, model_dir)) == 0, (number, kind.__name__, file)
        lines = warnings(capfd.readouterr())
        reports = [reports_damage(line, model_dir, 20, 10) for line in lines]
        assert reports in ([], [True]), (number, kind.__name__, file)
        assert_same_model(model_dir, trained / "whole")
        shutil.rmtree(model_dir)


def test_the_file_checkpoint_is_not_needed(data, trained, tmp_path, rng, full, capfd):
    texts = [None, b"", b"\x00\xff garbled", b'model_checkpoint_path: "ckpt-70"\n']
    for number, text in enumerate(texts if full else [rng.choice(texts)]):
        model_dir = shutil.copytree(trained / "half", tmp_path / f"m{number}")
        (model_dir / "checkpoint").unlink()
        if text is not None:
            (model_dir / "checkpoint").write_bytes(text)
        assert gpu_model.main(argv(data, model_dir)) == 0
        captured = capfd.readouterr()
        assert f"{model_dir}: continues from its checkpoint of step 20\n" in captured.out
        assert warnings(captured) == []
        assert_same_model(model_dir, trained / "whole")


def test_if_all_checkpoints_are_damaged_the_run_ends_and_deletes_nothing(data, half, rng, capfd):
    cut(half / "ckpt-20.data-00000-of-00001", rng)
    remove(half / "ckpt-10.index", rng)
    (half / "checkpoint").unlink()
    (half / ".unfinished-metrics.json").write_text("of a run that was killed")
    before = content(half)
    for steps in (STEPS, 0):
        assert gpu_model.main(argv(data, half, steps)) == 2
        (line,) = warnings(capfd.readouterr())
        assert line.startswith(f"error: {half}: no checkpoint is intact: ckpt-20 (")
        assert line.endswith("ckpt-10 (its index is missing); nothing was deleted; restore one from a backup, or "
                             "choose another --model_dir")  # fmt: skip
        assert content(half) == before


def test_a_damaged_checkpoint_is_kept_until_training_has_passed_its_step(data, trained, half, rng, capfd):
    shutil.copy(half / "ckpt-20.index", half / "ckpt-35.index")
    empty(half / "ckpt-35.index", rng)
    assert gpu_model.main(argv(data, half, 30)) == 0
    assert {name for name in names_in(half) if "ckpt" in name} == {
        f"ckpt-{step}{end}" for step in (20, 30) for end in (".index", ".data-00000-of-00001")
    } | {"ckpt-35.index"}
    assert "ckpt-35" not in (half / "checkpoint").read_text()
    assert gpu_model.main(argv(data, half)) == 0
    for line, before in zip(warnings(capfd.readouterr()), (20, 30), strict=True):
        assert reports_damage(line, half, 35, before)
    assert_same_model(half, trained / "whole")


def test_files_of_killed_runs_are_deleted(data, trained, half, capfd):
    """One run was killed while it saved step 30, before it moved the index; one before it deleted an old checkpoint."""
    for path in list(half.glob("ckpt-10.*")):
        shutil.copy(path, half / path.name.replace("10", "5"))
    shutil.copy(half / "ckpt-20.data-00000-of-00001", half / "ckpt-30.data-00000-of-00001")
    (half / ".unfinished-ckpt-30").mkdir()
    shutil.copy(half / "ckpt-20.index", half / ".unfinished-ckpt-30/ckpt-30.index")
    for name in (".unfinished-history.csv", ".unfinished-model.keras"):
        (half / name).write_bytes(b"half")
    for name in (".unfinished-export", "ckpt-30_temp"):
        (half / name).mkdir()
        (half / name / "part").write_bytes(b"half")
    assert gpu_model.main(argv(data, half, 20)) == 0
    captured = capfd.readouterr()
    assert f"{half}: saving ckpt-30 was interrupted; continues from step 20\n" in captured.out
    assert warnings(captured) == []
    assert_same_model(half, trained / "half")


def test_a_run_killed_in_its_first_checkpoint_starts_again(data, trained, tmp_path, capfd):
    shutil.copytree(trained / "half", tmp_path / "m", ignore=shutil.ignore_patterns("ckpt-*", "checkpoint", "m*", "p*"))
    (tmp_path / "m/.unfinished-ckpt-10").mkdir()
    (tmp_path / "m/ckpt-10.data-00000-of-00001").write_bytes(b"half")
    assert gpu_model.main(argv(data, tmp_path / "m")) == 0
    captured = capfd.readouterr()
    assert f"{tmp_path}/m: saving ckpt-10 was interrupted; continues from step 0\n" in captured.out
    assert warnings(captured) == []
    assert_same_model(tmp_path / "m", trained / "whole")


def test_an_incomplete_row_of_the_history_is_ignored(data, trained, half):
    """A last row that begins with 12 may be the beginning of the row of step 123."""
    with (half / "history.csv").open("a") as file:
        file.write("21,0.5,0.5,0.01\n12")
    assert gpu_model.main(argv(data, half)) == 0
    assert_same_model(half, trained / "whole")


def test_a_damaged_checkpoint_in_a_bucket(data, trained, half, bucket, rng, tmp_path):
    films, environment = bucket
    flip(half / "ckpt-20.data-00000-of-00001", rng)
    shutil.copy(half / "ckpt-10.data-00000-of-00001", half / "ckpt-30.data-00000-of-00001")
    (half / ".unfinished-ckpt-30").touch()  # as after an interrupted upload
    (half / "checkpoint").unlink()
    upload(half, films, "m/")
    status, out, err = run(*command(data, "gs://films/m"), environment=environment)
    assert status == 0, err
    (line,) = err.splitlines()
    assert reports_damage(line, "gs://films/m", 20, 10)
    assert "gs://films/m: saving ckpt-30 was interrupted; continues from step 10\n" in out
    for name, data in objects(films, "m/").items():
        (tmp_path / "downloaded" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "downloaded" / name).write_bytes(data)
    assert_same_model(tmp_path / "downloaded", trained / "whole")


def test_only_damaged_checkpoints_in_a_bucket(data, half, bucket, rng, full):
    if not full:
        pytest.skip("the same is tested on a disk; runs with FAULTS=full")
    films, environment = bucket
    for step in (10, 20):
        noise(half / f"ckpt-{step}.index", rng)
    upload(half, films, "none/")
    status, _, err = run(*command(data, "gs://films/none"), environment=environment)
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("error: gs://films/none: no checkpoint is intact: ckpt-20 (")
    assert objects(films, "none/") == content(half)
