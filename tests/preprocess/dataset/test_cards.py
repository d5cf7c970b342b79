"""The files that describe a data set, compared with its other files; tests/test_data_set.py has the tools read them."""

import csv
import hashlib
import json

import pytest
import tensorflow as tf

from pipelines import verify
from preprocess.cases.catalogue import ATTRIBUTION
from preprocess.cases.plan import Film, Totals
from preprocess.contract.schema import Omission
from preprocess.dataset.cards.data_card import data_card
from preprocess.dataset.cards.image_folder import metadata_files
from preprocess.dataset.cards.tfds_info import tfds_files
from preprocess.dataset.recipe import Parameters, PreparedImage, Recipe
from preprocess.dataset.record_parts import RecordFile
from tests.pipelines.test_preprocess import read_table, tree, write_films

CARDS = {"small_train/metadata.csv", "small_test/metadata.csv", "cache/dataset_info.json", "cache/features.json",
         "cache/label.labels.txt", "data_card.md", "croissant.json"}  # fmt: skip


def recipe(attribution="", **parameters):
    values = {"image_height": 128, "image_width": 95, "canvas": "auto", "resample": "area", "max_pixels": 10**8,
              "views": ("CC", "MLO"), "tfrecord_shards": 1, "patient_overlap": "drop", "train_per_category": None,
              "test_count": None}  # fmt: skip
    totals = Totals(named=9, matched=9, duplicate_files=0, overlapping_patients=0)
    return Recipe("/in", "/out", Parameters(**values | parameters), "f" * 64, totals, 0.05, 4, attribution)


def image(number, split="train", density=2, patient=None):
    patient = patient or f"P_{number:05d}"
    film = Film(f"Calc-Training_{patient}_LEFT_CC", split, density, patient, "LEFT", "CC", ())
    return PreparedImage(film, 60, 50, f"images/{number}", 24_500, "0" * 64)


def section(card, title):
    return card.split(f"\n## {title}\n\n")[1].split("\n\n## ")[0]


def test_the_cards_are_files_of_the_data_set(job, tmp_path, capfd):
    write_films(tmp_path)
    _, _, out = job()
    assert set(json.loads((out / "manifest.json").read_text())["files"]) > CARDS
    (out / "data_card.md").write_text("")
    (out / "cache/features.json").unlink()
    assert verify.main([str(out)]) == 1
    listed = capfd.readouterr()
    assert "data_card.md: has 0 bytes; expected " in listed.out + listed.err
    assert "cache/features.json: is missing" in listed.out + listed.err


def test_two_runs_write_the_same_cards(job, tmp_path):
    write_films(tmp_path)
    one, two = (tree(job("--record_parts", parts, out=parts)[2]) for parts in ("1", "3"))
    assert set(one) > CARDS
    assert all(one[name] == two[name] for name in CARDS)


def test_a_data_set_without_cards_is_read_verified_and_taken_up(job, tmp_path, capfd):
    """Data sets of earlier versions have none."""
    write_films(tmp_path)
    _, _, out = job()
    fresh = tree(out)
    manifest = json.loads((out / "manifest.json").read_text())
    for name in CARDS:
        (out / name).unlink()
        del manifest["files"][name]
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert verify.main([str(out)]) == 0
    status, output, _ = job()
    assert (status, "already contains this data set" in output) == (0, True)
    assert job("--force")[0] == 0
    assert {**tree(out), ".film_versions.json": b""} == {**fresh, ".film_versions.json": b""}


@pytest.mark.parametrize("name", sorted(CARDS))
def test_files_of_these_names_that_the_job_did_not_write_are_not_changed(name, job, tmp_path):
    write_films(tmp_path)
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    status, output, out = job()
    assert (status, f"contains {name} but no manifest.json" in output) == (2, True)
    assert tree(out) == {name: b"mine"}


def test_metadata_has_the_columns_of_the_table(job, tmp_path):
    write_films(tmp_path)
    _, _, out = job()
    columns = ["name", "density", "patient", "side", "view"]
    for split in ("train", "test"):
        with (out / f"small_{split}/metadata.csv").open(newline="") as stream:
            rows = list(csv.reader(stream))
        assert rows[0] == ["file_name", *columns]
        assert rows[1:] == [
            [f"{row['name']}.png", *(row[column] for column in columns)]
            for row in read_table(out) if row["split"] == split
        ]  # fmt: skip
        assert {row[0] for row in rows[1:]} == {path.name for path in (out / f"small_{split}").glob("*.png")}


def test_a_split_without_images_has_no_metadata_and_no_entry():
    images = [image(1), image(2)]
    assert list(metadata_files(images)) == ["small_train/metadata.csv"]
    records = [RecordFile("test", 0, 0, "cache/ddsm_eval.tfrecords", "", 0, 0, "")]
    written = tfds_files(records, recipe())
    assert json.loads(written["cache/dataset_info.json"])["splits"] == []


@pytest.mark.parametrize("shards", [1, 5])
def test_splits_of_dataset_info_are_those_of_the_records(shards, job, tmp_path):
    write_films(tmp_path)
    _, _, out = job("--tfrecord_shards", str(shards), "--record_parts", "3")
    info = json.loads((out / "cache/dataset_info.json").read_text())
    assert [split["name"] for split in info["splits"]] == ["train", "test"]
    for split, stem in zip(info["splits"], ("ddsm_train", "ddsm_eval"), strict=True):
        files = sorted((out / "cache").glob(f"{stem}*.tfrecords"))
        sizes = [[len(record.numpy()) for record in tf.data.TFRecordDataset(str(file))] for file in files]
        assert len(files) == shards
        assert split["shardLengths"] == [str(len(lengths)) for lengths in sizes]
        assert split["numBytes"] == str(sum(map(sum, sizes)))
        names = [split["filepathTemplate"].format(SHARD_X_OF_Y=f"{n:05d}-of-{shards:05d}") for n in range(shards)]
        assert names == [file.name for file in files]


def test_features_have_the_size_of_the_images():
    written = tfds_files([], recipe(image_height=20, image_width=30))
    features = json.loads(written["cache/features.json"])["featuresDict"]["features"]
    assert set(features) == {"image", "label", "name", "height", "width"}
    assert features["image"]["tensor"] == {
        "dtype": "float32",
        "encoding": "bytes",
        "shape": {"dimensions": ["20", "30"]},
    }


def test_croissant_lists_every_file_but_the_images_with_its_checksum(job, tmp_path):
    write_films(tmp_path)
    _, _, out = job("--tfrecord_shards", "2")
    croissant = json.loads((out / "croissant.json").read_text())
    files = {file["contentUrl"]: file for file in croissant["distribution"] if file["@type"] == "cr:FileObject"}
    contents = {name: data for name, data in tree(out).items() if not name.endswith(".png")}
    for name in ("croissant.json", "manifest.json", ".film_versions.json"):
        del contents[name]
    assert {name: (file["sha256"], file["contentSize"]) for name, file in files.items()} == {
        name: (hashlib.sha256(data).hexdigest(), f"{len(data)} B") for name, data in contents.items()
    }
    assert len(files) == 4 + 2 + 6
    (pngs,) = (entry for entry in croissant["distribution"] if entry["@type"] == "cr:FileSet")
    assert pngs["includes"] == ["small_train/*.png", "small_test/*.png"]


def test_the_card_counts_images_and_patients():
    images = [image(1, density=1), image(2), image(3), image(4, patient="P_00003"), image(5, "test", 4)]
    card = data_card(images, [], (7111, 5251), recipe()).decode()
    assert section(card, "Counts") == (
        "| | train | test |\n|---|---:|---:|\n| density 1 | 1 | 0 |\n| density 2 | 3 | 0 |\n| density 3 | 0 | 0 |\n"
        "| density 4 | 0 | 1 |\n| images | 4 | 1 |\n| patients | 3 | 1 |"
    )
    assert "5,251 x 7,111 pixels" in " ".join(section(card, "How it was made").split())
    assert max(map(len, card.splitlines())) <= 120


def test_the_card_counts_omissions_by_reason():
    omissions = [Omission(f"Mass-Training_P_{n:05d}_LEFT_CC", "train", "x", "excluded", "select",
                          f"patient P_{n:05d} is in the test descriptions") for n in range(3)]  # fmt: skip
    omissions.append(Omission("Mass-Test_P_00009_LEFT_CC", "test", "y", "rejected", "match", "no file"))
    found = section(data_card([image(1)], omissions, (9, 9), recipe()).decode(), "What was left out")
    assert found.startswith("The case descriptions name 9 mammograms. 4 of them are not in this data set; ")
    assert found.split("\n\n")[1].splitlines() == [
        "    excluded (select): 3",
        "      3 x, for example Mass-Training_P_00000_LEFT_CC: patient P_00000 is in the test descriptions",
        "    rejected (match): 1",
        "      1 x, for example Mass-Test_P_00009_LEFT_CC: no file",
    ]


def test_text_from_the_data_is_no_markup_in_the_card():
    """A line that is indented by four spaces after an empty line is code: nothing in it is interpreted."""
    reason = "\n# title <script>alert(1)</script> ![](http://localhost) \x1b[2J \ud800"
    omissions = [Omission("Mass-Test_P_00009_LEFT_CC", "test", "y", "rejected", "csv", reason)]
    lines = data_card([image(1)], omissions, (9, 9), recipe()).decode().splitlines()
    (found,) = (line for line in lines if "<script" in line)
    assert found.startswith("      1 x, for example Mass-Test_P_00009_LEFT_CC: \\n# title <script>")
    assert found.isprintable()


@pytest.mark.parametrize("attribution", ["", ATTRIBUTION])
def test_the_licence_is_that_of_the_source(attribution):
    card = " ".join(data_card([image(1)], [], (9, 9), recipe(attribution)).decode().split())
    assert ("No licence is known" in card) == (not attribution)
    assert ("Sawyer-Lee, R., Gimenez, F., Hoogi, A., & Rubin, D. (2016)." in card) == bool(attribution)
    assert card.count(ATTRIBUTION) == bool(attribution)


def test_a_kept_overlap_is_named():
    card = data_card([image(1)], [], (9, 9), recipe(patient_overlap="keep")).decode()
    assert "**Patients may be in both splits**" in card
    assert "**Patients" not in data_card([image(1)], [], (9, 9), recipe()).decode()
