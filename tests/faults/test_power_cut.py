"""A power cut at any point of a run: afterwards a data set with a manifest is whole, and the same command completes it.

The changes of a run are recorded, and a folder is made of those that a power cut at a point may leave: see
`support.power_cut`.
"""

import shutil

import pytest

from preprocess.files import local
from tests.pipelines.test_preprocess import tree
from tests.support.films import Described, as_in_csv, random_film, write_csv
from tests.support.power_cut import MOVE, SYNC, Recorder, cuts, write_files

FILMS = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 5)]
TEST = [Described("Mass-Test_P_00101_RIGHT_MLO"), Described("Mass-Test_P_00102_RIGHT_MLO")]
SMALL = ("--image_height=8", "--image_width=6", "--canvas=100x100")
OTHER = (*SMALL, "--resample=nearest")


@pytest.fixture
def films(tmp_path):
    write_csv(tmp_path / "train.csv", FILMS)
    write_csv(tmp_path / "test.csv", TEST)
    for number, film in enumerate([*FILMS, *TEST]):
        as_in_csv(tmp_path / "images", film, random_film(number, 20, 16))


@pytest.fixture
def made(films, job):
    """A function that makes a data set and returns {path: bytes}."""

    def run(out, *words):
        status, output, folder = job(*words, out=out)
        assert status == 0, output
        return tree(folder)

    return run


def published(files):
    return {name: data for name, data in files.items() if not name.startswith(".staging/")}


def lists(files):
    return [data for name, data in files.items() if name.endswith("/publication.json")]


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaces another data set"])
def test_after_a_power_cut_a_data_set_is_whole_or_not_there(replaces, made, job, tmp_path, monkeypatch, rng, full):
    new, old = made("new", *SMALL), made("old", *OTHER)
    before = old if replaces else {}
    out = tmp_path / "out"
    write_files(out, before)
    with monkeypatch.context() as patch:
        recorder = Recorder(out, patch)
        assert made("out", *SMALL, "--force") == new
    changes = recorder.changes
    assert sum(change.kind == MOVE for change in changes) == len(new)
    assert sum(change.kind == SYNC for change in changes) == 4 + replaces

    left = list(cuts(before, changes, rng, 400 if full else 40))
    outcomes = set()
    for at, files in left:
        if "manifest.json" in files:
            assert published(files) in ([new, old] if replaces else [new]), at
            outcomes.add("new" if files["manifest.json"] == new["manifest.json"] else "old")
        else:
            outcomes.add("none")
    assert outcomes == ({"new", "old", "none"} if replaces else {"new", "none"})
    whole = {change.data for change in changes if change.path.endswith("/publication.json")}
    damaged = [(at, files) for at, files in left if set(lists(files)) - whole]
    assert damaged
    for at, files in [left[-1], *damaged[: 20 if full else 2], *rng.sample(left, 100 if full else 6)]:
        shutil.rmtree(out)
        write_files(out, files)
        status, output, _ = job(*SMALL, "--force")
        assert status == 0, (at, output)
        assert tree(out) == new, at


def test_without_syncs_a_power_cut_would_be_noticed(made, tmp_path, monkeypatch, rng):
    """Shows that this test finds a run that does not sync."""
    with monkeypatch.context() as patch:
        recorder = Recorder(tmp_path / "out", patch)
        new = made("out", *SMALL)
    unsynced = [change for change in recorder.changes if change.kind != SYNC]
    assert any(
        "manifest.json" in files and published(files) != new for _, files in cuts({}, unsynced, rng, 10)
    )  # fmt: skip


def test_each_sync_is_needed(made, job, tmp_path, monkeypatch, rng, full):
    """Without any one of them, a power cut may leave a damaged data set, or a folder that the command refuses."""
    if not full:
        pytest.skip("runs the job up to some hundred times; runs with FAULTS=full")
    new, old = made("new", *SMALL), made("old", *OTHER)
    out = tmp_path / "out"
    write_files(out, old)
    with monkeypatch.context() as patch:
        recorder = Recorder(out, patch)
        made("out", *SMALL, "--force")
    syncs = [number for number, change in enumerate(recorder.changes) if change.kind == SYNC]
    assert len(syncs) == 5
    for sync, following in zip(syncs, [*syncs[1:], len(recorder.changes)], strict=True):
        changes = [change for number, change in enumerate(recorder.changes) if number != sync]

        def is_harmless(files):
            if "manifest.json" in files and published(files) not in (new, old):
                return False
            shutil.rmtree(out)
            write_files(out, files)
            try:
                return job(*SMALL, "--force")[0] == 0 and tree(out) == new
            except ValueError:  # a list of renames is not valid JSON
                return False

        after = [files for at, files in cuts(old, changes, rng, 200) if sync < at < following]
        rng.shuffle(after)
        assert not all(is_harmless(files) for files in after[:200]), sync


def test_where_there_is_no_syncfs_every_file_and_folder_is_synced(tmp_path, monkeypatch):
    synced, plain = [], local.os.fsync

    def fsync(descriptor):
        plain(descriptor)
        synced.append(local.os.path.realpath(f"/proc/self/fd/{descriptor}"))

    write_files(tmp_path, {"a/b": b"1", "c": b"2"})
    monkeypatch.setattr(local, "_SYNCFS", None)
    monkeypatch.setattr(local.os, "fsync", fsync)
    local.sync(str(tmp_path))
    assert {path.rstrip("/") for path in synced} == {str(tmp_path / name) for name in ("", "a", "a/b", "c")}


def test_a_failed_sync_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        local.sync(str(tmp_path / "none"))
