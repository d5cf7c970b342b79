"""A second run notices films that have changed since the first, and prepares only these."""

import json
import os

import pytest

from tests.pipelines.test_preprocess import TEST, TRAIN, omissions, read_table, tree, write_films
from tests.support.films import as_in_csv, decoded, random_film, write_csv

FILM = TRAIN[0]
CANVAS = ("--canvas", "100x100")


def replace(path, samples, root):
    """Replaces a film by one of the same size in bytes, with a later time."""
    before = path.stat()
    as_in_csv(root, FILM, samples)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))


def made(out):
    """Returns the file numbers of the PNGs: a new file has another number."""
    return {path.name: path.stat().st_ino for path in out.glob("small_*/*.png")}


@pytest.fixture
def published(job, tmp_path):
    files = write_films(tmp_path)
    _, _, out = job(*CANVAS)
    return files, out


def test_a_film_that_was_replaced_by_one_of_the_same_size(job, published, tmp_path):
    files, out = published
    before = tree(out)
    replace(files[FILM.mammogram_id], random_film(77, *decoded(files[FILM.mammogram_id]).shape), tmp_path / "images")
    status, output, _ = job(*CANVAS)
    assert status == 0
    assert (
        f"1 of 18 films have changed since this data set was made, and are prepared again: {FILM.mammogram_id}\n"
        in output
    )
    assert "preparing images: 18 of 18" in output
    after = tree(out)
    image = f"small_train/{FILM.density}_{FILM.mammogram_id}.png"
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {image, "cache/ddsm_train.tfrecords", "croissant.json", "manifest.json", ".film_versions.json"}
    _, _, fresh = job(*CANVAS, out="fresh")
    assert tree(fresh) == after
    assert "already contains this data set" in job(*CANVAS)[1]


def test_unchanged_films_are_not_read_again(job, published, tmp_path):
    """Pixels of an unchanged film that cannot be read any more do not matter; its header is read."""
    files, out = published
    other = files[TRAIN[1].mammogram_id]
    before, data = tree(out), other.read_bytes()
    status = other.stat()
    other.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))  # other pixels, and the same version
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    replace(files[FILM.mammogram_id], random_film(77, *decoded(files[FILM.mammogram_id]).shape), tmp_path / "images")
    assert job(*CANVAS)[0] == 0
    image = f"small_train/{TRAIN[1].density}_{TRAIN[1].mammogram_id}.png"
    assert tree(out)[image] == before[image]
    assert job(*CANVAS, "--force")[0] == 0  # makes all images anew
    assert tree(out)[image] != before[image]


def test_a_rejected_film_that_was_corrected_is_prepared(job, tmp_path):
    files = write_films(tmp_path)
    broken = files[FILM.mammogram_id]
    sound = broken.read_bytes()
    broken.write_bytes(b"x" * len(sound))
    _, _, out = job("--max_rejected", "0.1", *CANVAS)
    assert [line["case"] for line in omissions(out)] == [FILM.mammogram_id]
    broken.write_bytes(sound)
    status, output, _ = job("--max_rejected", "0.1", *CANVAS)
    assert status == 0
    assert "1 of 18 films have changed" in output
    assert omissions(out) == []
    assert any(row["name"].endswith(FILM.mammogram_id) for row in read_table(out))


def test_a_changed_image_in_the_output_is_not_used_again(job, published, tmp_path):
    files, out = published
    before = tree(out)
    image = f"small_train/{TRAIN[1].density}_{TRAIN[1].mammogram_id}.png"
    other = next(name for name in before if name.startswith("small_test/"))
    (out / image).write_bytes(before[other])
    replace(files[FILM.mammogram_id], random_film(77, *decoded(files[FILM.mammogram_id]).shape), tmp_path / "images")
    assert job(*CANVAS)[0] == 0
    assert tree(out)[image] == before[image]


def test_films_that_are_added_with_force(job, tmp_path):
    """The images that are there are used again, unless the canvas is another."""
    write_films(tmp_path, train=TRAIN[1:], test=TEST)
    _, _, out = job(*CANVAS)
    write_csv(tmp_path / "train.csv", TRAIN)
    as_in_csv(tmp_path / "images", FILM, random_film(77))
    status, output, _ = job(*CANVAS)
    assert (status, "made from other input or with other options" in output) == (2, True)
    assert job(*CANVAS, "--force")[0] == 0
    _, _, fresh = job(*CANVAS, out="fresh")
    assert tree(out) == tree(fresh)
    assert job("--canvas", "110x100", "--force")[0] == 0
    _, _, fresh = job("--canvas", "110x100", out="fresher")
    assert tree(out) == tree(fresh)


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff"])
def test_without_the_versions_all_films_are_prepared_again(content, job, published):
    _, out = published
    before = tree(out)
    if content is None:
        (out / ".film_versions.json").unlink()
    else:
        (out / ".film_versions.json").write_bytes(content)
    status, output, _ = job(*CANVAS)
    assert status == 0
    assert f"{out} has no readable .film_versions.json, so it is not known whether films have changed" in output
    assert tree(out) == before


def test_the_words_of_a_reason_are_not_part_of_the_fingerprint(job, tmp_path):
    """The same rejected mammogram, named in another line of the case description."""
    write_films(tmp_path)
    bad = [FILM.patient, "0", "RIGHT", "CC", FILM.path.replace("LEFT", "RIGHT").replace("1.3.6", "1.3.7")]
    write_csv(tmp_path / "train.csv", [*TRAIN, bad])
    _, _, out = job("--max_rejected", "0.1")
    first = json.loads((out / "manifest.json").read_text())["fingerprint"]
    write_csv(tmp_path / "train.csv", [bad, *TRAIN])
    _, _, other = job("--max_rejected", "0.1", out="other")
    assert omissions(out)[0]["reason"] != omissions(other)[0]["reason"]
    assert json.loads((other / "manifest.json").read_text())["fingerprint"] == first


def test_a_film_that_was_replaced_by_one_of_another_size(job, published, tmp_path):
    _, out = published
    as_in_csv(tmp_path / "images", FILM, random_film(77, 70, 61))
    status, output, _ = job(*CANVAS)
    assert status == 0
    assert "1 of 18 films have changed" in output
    _, _, fresh = job(*CANVAS, out="fresh")
    assert tree(out) == tree(fresh)


def test_files_of_the_data_set_that_are_missing_are_made_again(job, published):
    _, out = published
    before = tree(out)
    image = f"small_train/{FILM.density}_{FILM.mammogram_id}.png"
    (out / image).unlink()
    status, output, _ = job(*CANVAS)
    assert status == 0
    assert f"1 files of the data set are missing, such as {image}: it is made again" in output
    assert tree(out) == before


def test_a_refused_run_says_what_differs(job, published, tmp_path):
    status, output, _ = job(*CANVAS, "--resample", "nearest")
    assert (status, "made from other input or with other options (--resample)" in output) == (2, True)
    write_csv(tmp_path / "train.csv", TRAIN[1:])
    status, output, _ = job(*CANVAS)
    assert (status, "(other mammograms, or films were added, removed" in output) == (2, True)
