"""Data sets and models of earlier versions are read, verified, taken up and used; `tests.fixtures.make` wrote them."""

import csv
import json
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from pipelines import predict, preprocess, report, verify
from preprocess.contract import schema
from preprocess.runtime.log import Log
from tests.fixtures import make
from tests.pipelines.test_preprocess import tree
from tests.support.films import area_reference, as_in_csv, random_film
from trainer import evaluate
from trainer.data.png_folder import read_folder
from trainer.data.record_files import read_record_files

DATA_SETS = sorted(path.name.removesuffix(".tar.xz") for path in make.FOLDER.glob("data_set_*.tar.xz"))
MODELS = sorted(path.name.removesuffix(".tar.xz") for path in make.FOLDER.glob("model_*.tar.xz"))
CANVAS, SIZE = (40, 30), (16, 12)
CHANGED = make.TRAIN[1]
PROCESSORS = 2e-4
"""The largest difference of a probability between processors; 0.00004 between AVX2 and AVX-512 was seen."""


def unpack(name, folder):
    with tarfile.open(make.FOLDER / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name


@pytest.fixture(params=DATA_SETS)
def data(request, tmp_path):
    return unpack(request.param, tmp_path)


@pytest.fixture(params=MODELS)
def model(request, tmp_path):
    return unpack(request.param, tmp_path)


def images(folder):
    """Returns {path: (modification time, bytes)} of the PNGs of a data set."""
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("small_*/*.png")}


def test_a_data_set_is_verified_and_read(data, capsys):
    assert verify.main([str(data)]) == 0, capsys.readouterr()
    for split, stem, films in (("train", "ddsm_train", make.TRAIN), ("test", "ddsm_eval", make.TEST)):
        from_folder = read_folder(str(data / f"small_{split}"), SIZE, 4, Log())
        from_records = read_record_files([str(data / f"cache/{stem}.tfrecords")], SIZE, 4, Log())
        order = [from_folder.names.index(name) for name in from_records.names]
        assert (from_folder.pixels[order] == from_records.pixels).all()
        assert dict(zip(from_records.names, from_records.labels, strict=True)) == {
            f"{film.density}_{film.mammogram_id}": int(film.density) - 1 for film in films
        }
    assert report.main([str(data)]) == 0
    assert make.LOST.mammogram_id in (data / "report.html").read_text()


def test_a_data_set_of_the_same_films_is_not_made_again(data, tmp_path, capsys):
    argv = make.write_films(tmp_path)
    before = tree(data)
    assert preprocess.main([*argv, f"--output={data}"]) == 0
    assert "already contains this data set" in capsys.readouterr().out
    assert tree(data) == before


def test_a_data_set_with_a_changed_film_is_taken_up(data, tmp_path, capsys):
    """Only the image of that film changes. Others are prepared again only if other versions of libraries are used."""
    argv = make.write_films(tmp_path)
    before = images(data)
    as_in_csv(tmp_path / "images", CHANGED, random_film(99, *CANVAS))
    assert preprocess.main([*argv, f"--output={data}"]) == 0
    assert f"1 of {len(before)} films have changed since this data set was made" in capsys.readouterr().out
    after = images(data)
    changed = f"small_train/{CHANGED.density}_{CHANGED.mammogram_id}.png"
    assert {name for name, (_, png) in after.items() if png != before[name][1]} == {changed}
    pixels = np.asarray(Image.open(data / changed))
    assert np.abs(pixels - area_reference(random_film(99, *CANVAS), CANVAS, SIZE)).max() <= 0.5
    assert verify.main([str(data)]) == 0


def test_a_data_set_of_a_later_format_is_refused(data, capsys):
    manifest = json.loads((data / "manifest.json").read_text())
    (data / "manifest.json").write_text(json.dumps(manifest | {"format": schema.FORMAT + 1}))
    assert verify.main([str(data)]) == 2
    assert capsys.readouterr().err == (
        f"error: {data}/manifest.json: has format {schema.FORMAT + 1}, of a later version of this program, which "
        f"reads formats up to {schema.FORMAT}; update it\n"
    )


def test_unknown_keys_of_the_same_format_are_ignored(data):
    manifest = json.loads((data / "manifest.json").read_text())
    (data / "manifest.json").write_text(json.dumps(manifest | {"new": {"key": 1}}))
    assert verify.main([str(data)]) == 0


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def probabilities(row):
    return [float(row[f"probability_{density}"]) for density in range(1, 5)]


def test_a_model_predicts_as_it_did(model, data, tmp_path):
    words = [f"--model_dir={model}", f"--data={data}/small_test", f"--output={tmp_path}/evaluated"]
    assert evaluate.main(words) == 0
    found, expected = rows_of(tmp_path / "evaluated/predictions.csv"), rows_of(model / "predictions.csv")
    assert len(found) == len(make.TEST)
    for row, earlier in zip(found, expected, strict=True):
        assert row.keys() == earlier.keys()
        assert row["name"] == earlier["name"]
        assert len(probabilities(row)) == 4
        np.testing.assert_allclose(probabilities(row), probabilities(earlier), atol=PROCESSORS)


def test_a_model_is_in_the_report_and_classifies_new_films(model, data, tmp_path):
    assert report.main([str(data), "--model_dir", str(model)]) == 0
    make.write_films(tmp_path)
    words = [f"--model_dir={model}", f"--input={tmp_path}/images", f"--output={tmp_path}/answers"]
    assert predict.main([*words, "--direct_num_workers=1"]) == 0
    found = {row["mammogram"]: row for row in rows_of(tmp_path / "answers/predictions.csv")}
    for earlier in rows_of(model / "predictions.csv"):
        mammogram = earlier["name"].partition("_")[2]
        np.testing.assert_allclose(probabilities(found[mammogram]), probabilities(earlier), atol=PROCESSORS)
    assert os.path.exists(tmp_path / "answers/predictions.html")
