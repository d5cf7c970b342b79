"""Data sets of several pieces and shards: which images each file gets, and a publication in steps in any order."""

import dataclasses
import json
import random

import pytest
import tensorflow as tf

from pipelines import verify
from pipelines.preparation import options as command_line
from preprocess.cases.locate import FilmFile
from preprocess.contract.schema import image_file, record_order
from preprocess.dataset import record_parts
from preprocess.dataset.manifest import format_manifest
from preprocess.dataset.piece_results import PieceResult, StoredImages, read_omissions, write_result
from preprocess.dataset.plan_files import PlanFiles
from preprocess.dataset.publish import Publication, load_publication, perform, write_removals
from preprocess.dataset.recipe import PreparedBatch, Recipe
from preprocess.dataset.record_parts import shard_count, split_into_parts
from preprocess.files import storage
from tests.pipelines.test_preprocess import tree, write_films
from tests.preprocess.dataset.test_cards import image, recipe


def recipe_in(root, **parameters):
    values = recipe(**parameters)
    return Recipe(str(root / "in"), str(root / "out"), values.parameters, "f" * 64, values.totals, 0.05, 4,
                  plan=PlanFiles(train=3))  # fmt: skip


def with_file(prepared):
    """`image` makes a film without files; a prepared one has one."""
    film = dataclasses.replace(prepared.film, files=(FilmFile(0, "film.dcm", 9, "version"),))
    return dataclasses.replace(prepared, film=film)


def pieces_of(root, numbers):
    """Writes the results of three pieces with an image for each number; returns images in record order and results."""
    images = sorted((with_file(image(number)) for number in numbers), key=lambda i: record_order(i.film.mammogram_id))
    bounds = [0, len(images) // 2, len(images) // 2, len(images)]  # the second piece is empty
    results = []
    for number in range(3):
        piece = images[bounds[number] : bounds[number + 1]]
        random.Random(number).shuffle(piece)
        left_out = tuple(i.film.omission("header", f"reason {number}") for i in piece[:number])
        name = f"train-{number:05d}"
        batches = [PreparedBatch(name, tuple(piece[:3]), left_out), PreparedBatch(name, tuple(piece[3:]), ())]
        results.append(write_result((name, batches), recipe_in(root)))
    return images, results


def test_images_are_read_in_record_order(tmp_path):
    images, results = pieces_of(tmp_path, range(50))
    assert [(result.piece, result.images, result.rejected) for result in results] == [
        ("train-00000", 25, 0), ("train-00001", 0, 0), ("train-00002", 25, 2)]  # fmt: skip
    stored = StoredImages(results, recipe_in(tmp_path))
    assert len(stored) == 50
    assert list(stored) == images
    assert list(stored) == images  # again, from the files
    assert [omission.reason for omission in read_omissions(results, recipe_in(tmp_path))] == ["reason 2"] * 2


@pytest.mark.parametrize(("images", "shards"), [(0, 1), (10_000, 1), (10_001, 2), (20_000, 2), (1_000_000, 100)])
def test_the_number_of_shards_follows_from_the_number_of_images(images, shards):
    assert shard_count(images, recipe(tfrecord_shards=None)) == shards
    assert shard_count(images, recipe(tfrecord_shards=7)) == 7


@pytest.mark.parametrize(("given", "parts"), [(None, 3), (2, 8)])
def test_parts_contain_each_image_once_in_order(given, parts):
    results = [
        PieceResult(f"train-{number:05d}", 500 - number % 7, number % 7, f"prepared/{number}") for number in range(50)
    ]
    numbers = [(result.file, n) for result in results for n in range(result.images)]
    found = [part for part in split_into_parts(results, recipe(tfrecord_shards=given)) if part.split == "train"]
    assert len(found) == parts
    assert [(file, n) for part in found for file, a, b in part.slices for n in range(a, b)] == numbers
    sizes = [sum(b - a for _, a, b in part.slices) for part in found]
    assert max(sizes) - min(sizes) <= 1
    assert found[0].file == f"cache/ddsm_train-00000-of-0000{given or 3}.tfrecords"


def test_shards_of_a_large_data_set(job, tmp_path, monkeypatch):
    """With a limit of 5 instead of 10,000 images: 12 training images are 3 shards, 6 test images 2."""
    write_films(tmp_path)
    one, none = job(out="one")[2], job("--tfrecord_shards", "1", out="none")[2]
    assert tree(one) == tree(none)
    for module in (record_parts, command_line):
        monkeypatch.setattr(module, "SHARD_IMAGES", 5)
    status, _, out = job()
    assert status == 0
    assert json.loads((out / "manifest.json").read_text())["parameters"]["tfrecord_shards"] is None
    splits = json.loads((out / "cache/dataset_info.json").read_text())["splits"]
    for split, stem, shards in zip(splits, ("ddsm_train", "ddsm_eval"), (3, 2), strict=True):
        files = [out / f"cache/{stem}-{n:05d}-of-{shards:05d}.tfrecords" for n in range(shards)]
        assert sorted((out / "cache").glob(f"{stem}*")) == files
        assert b"".join(file.read_bytes() for file in files) == (one / f"cache/{stem}.tfrecords").read_bytes()
        lengths = [len(list(tf.data.TFRecordDataset(str(file)))) for file in files]
        assert split["shardLengths"] == list(map(str, lengths))
        assert max(lengths) - min(lengths) <= 1
    assert verify.main([str(out)]) == 0
    (out / "cache/ddsm_eval-00001-of-00002.tfrecords").unlink()
    assert verify.main([str(out)]) == 1
    unchanged = {name for name, data in tree(one).items() if tree(out).get(name) == data}
    assert unchanged >= {name for name in tree(one) if name.endswith(".png")} | {"dataset.csv", "data_card.md"}


def test_the_manifest_in_pieces_is_that_of_the_json_module():
    images = [image(number, ("train", "test")[number % 2], number % 4 + 1) for number in range(30)]
    others = {name: {"bytes": 5, "sha256": "1" * 64} for name in ("dataset.csv", "cache/a", "small_train/metadata.csv")}
    text = b"".join(format_manifest(images, 1, 2, others, (9, 8), recipe("from there"))).decode()
    manifest = json.loads(text)
    assert text == json.dumps(manifest, indent=1, sort_keys=True)
    assert manifest["files"] == others | {
        image_file(i.film.split, i.film.density, i.film.mammogram_id): {"bytes": 24_500, "sha256": "0" * 64}
        for i in images
    }


def staged_publication(root):
    """Stages 50 images, a table and a manifest, and an older data set with three files in the output."""
    images, results = pieces_of(root, range(50))
    values = recipe_in(root)
    for one in images:
        storage.write(values.staged(one.staged), one.file.encode())
    for name in ("dataset.csv", "manifest.json"):
        storage.write(values.staged(name), f"new {name}".encode())
    for name in ("dataset.csv", "manifest.json", "small_train/old.png", images[7].file):
        storage.write(values.final(name), b"old")
    steps = (*write_removals(["small_train/old.png"], values), *(result.file for result in results))
    names = ("dataset.csv", "manifest.json")
    Publication(values.output_root, values.staging, tuple((name, name) for name in names), (), steps).save()
    publication = load_publication(values.output_root, values.staging)
    assert publication.steps == steps
    expected = {one.file: one.file.encode() for one in images}
    return publication, expected | {name: f"new {name}".encode() for name in names}


def published(root):
    return {name: data for name, data in tree(root / "out").items() if not name.startswith(".staging")}


@pytest.mark.parametrize("seed", range(5))
def test_steps_may_come_in_any_order_and_again(seed, tmp_path):
    publication, expected = staged_publication(tmp_path)
    publication.begin()
    steps = [*publication.steps, *publication.steps]
    random.Random(seed).shuffle(steps)
    for step in steps:
        perform(step, publication.root, publication.staging)
        assert "manifest.json" not in published(tmp_path)
    publication.begin()
    publication.finish()
    assert published(tmp_path) == expected
    storage.delete_folder(publication.staging)
    perform(steps[0], publication.root, publication.staging)  # a runner repeats a step when all is done
    publication.complete()
    assert published(tmp_path) == expected


@pytest.mark.parametrize("done", range(5))
def test_an_interrupted_publication_is_completed_or_undone(done, tmp_path):
    publication, expected = staged_publication(tmp_path / "completed")
    other, _ = staged_publication(tmp_path / "undone")
    for interrupted in (publication, other):
        interrupted.begin()
        for step in interrupted.steps[:done]:
            perform(step, interrupted.root, interrupted.staging)
    publication.complete()
    assert published(tmp_path / "completed") == expected
    other.undo()
    assert published(tmp_path / "undone") == {}
