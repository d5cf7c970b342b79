"""`pipelines.predict` on films of known content, compared with the trainer's own predictions."""

import csv
import json
import shutil

import numpy as np
import pytest
from pydicom.uid import RLELossless

from benchmarks.idc_server import started
from pipelines import predict, preprocess
from preprocess.cases import catalogue
from tests.support.browser import needs_browser, run_script
from tests.support.cloud import objects, upload
from tests.support.cloud import run as cloud_run
from tests.support.films import Described, as_in_csv, random_film, write_csv, write_dicom, write_image
from trainer import gpu_model, tpu_model

VIEWS = ("CC", "MLO")
TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_{view}", str(n % 4 + 1)) for n in range(1, 9) for view in VIEWS]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_{view}", str(n % 4 + 1)) for n in range(11, 16) for view in VIEWS]
CANVAS = (90, 70)


def film(number):
    """A random film with black below its middle, as no other part of the canvas is."""
    pixels = random_film(number, 60 + number % 4, 42 + number % 3)
    pixels[40:] //= 64
    return pixels


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the films of a data set, the data set and a model."""
    root = tmp_path_factory.mktemp("predict")
    write_csv(root / "train.csv", TRAIN)
    write_csv(root / "test.csv", TEST)
    for number, described in enumerate(TRAIN):
        as_in_csv(root / "train", described, film(number))
    for number, described in enumerate(TEST):
        as_in_csv(root / "test", described, film(100 + number))
    shutil.copytree(root / "train", root / "all/train")
    shutil.copytree(root / "test", root / "all/test")
    assert preprocess.main([
        f"--input={root}/all", f"--output={root}/out", f"--train_csv={root}/train.csv", f"--test_csv={root}/test.csv",
        "--direct_num_workers=1", f"--canvas={CANVAS[1]}x{CANVAS[0]}",
    ]) == 0  # fmt: skip
    assert gpu_model.main([
        f"--training_data_dir={root}/out/small_train", f"--eval_data_dir={root}/out/small_test",
        f"--model_dir={root}/model", "--training_steps=30", "--batch_size=8", "--warmup_steps=3", "--calibrate",
    ]) == 0  # fmt: skip
    return root


def run(made, out, *inputs, model="model", words=("--direct_num_workers=1",)):
    return predict.main([f"--model_dir={made}/{model}", "--input", *map(str, inputs), f"--output={out}", *words])


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_film_has_the_prediction_of_its_prepared_image(made, tmp_path):
    assert run(made, tmp_path / "out", made / "test") == 0
    expected = {row["name"][2:]: row for row in table(made / "model/predictions.csv")}
    found = {row["mammogram"]: row for row in table(tmp_path / "out/predictions.csv")}
    assert set(found) == set(expected) == {described.mammogram_id for described in TEST}
    for name, row in found.items():
        described = Described(name)
        assert (row["patient"], row["side"], row["view"]) == (described.patient, described.side, described.view)
        assert row["file"] == str(made / "test" / described.path)
        assert row["density"] == expected[name]["predicted"]
        keys = [f"probability_{k}" for k in range(1, 5)]
        probabilities = [float(row[key]) for key in keys]
        assert probabilities == pytest.approx([float(expected[name][key]) for key in keys], abs=1e-6)
        assert float(row["expected_density"]) == pytest.approx(np.dot(probabilities, [1, 2, 3, 4]), abs=1e-4)
        assert row["not_classified"] == ""


def test_breasts_and_patients_have_the_means_of_their_views(made, tmp_path):
    assert run(made, tmp_path / "out", made / "test") == 0
    films = table(tmp_path / "out/predictions.csv")
    for name, units in (("breasts", 5), ("patients", 5)):
        rows = table(tmp_path / f"out/{name}.csv")
        assert len(rows) == units
        for row in rows:
            views = [film for film in films if film["patient"] == row["patient"]]
            assert (int(row["films"]), len(views)) == (2, 2)
            for key in ("probability_1", "probability_4"):
                assert float(row[key]) == pytest.approx(np.mean([float(view[key]) for view in views]), abs=1e-6)


def test_the_output_does_not_depend_on_workers_or_order(made, tmp_path):
    assert run(made, tmp_path / "one", made / "test", made / "train") == 0
    two = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    assert run(made, tmp_path / "two", made / "train", made / "test", made / "test/*/*/*/*.dcm", words=two) == 0
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / out).iterdir()} for out in ("one", "two"))
    assert set(one) == {"predictions.csv", "breasts.csv", "patients.csv", "predictions.html"}
    assert one == two


LARGER = "pixels are larger than the canvas 70 x 90 of the training images (width x height)"


def test_what_cannot_be_classified_has_a_reason(made, tmp_path, capsys):
    films = tmp_path / "films"
    write_dicom(films / "large.dcm", random_film(0, 91, 50))
    write_dicom(films / "wide.dcm", random_film(1, 80, 71))
    write_dicom(films / "crop_of_file.dcm", film(0))
    write_dicom(films / "Calc-Test_P_00001_LEFT_CC_1/mask.dcm", film(1))
    write_dicom(films / "rle_L_CC.dcm", film(2), RLELossless)
    write_image(films / "colour.png", np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8))
    write_image(films / "small.png", random_film(1, 128, 95))
    whole = write_dicom(films / "whole.dcm", film(3)).read_bytes()
    (films / "broken.dcm").write_bytes(whole[: len(whole) // 2])
    (films / "text.dcm").write_text("not a film")
    (films / "notes.txt").write_text("not a film")
    assert run(made, tmp_path / "out", films) == 0
    rows = {row["file"].rpartition("/")[2]: row for row in table(tmp_path / "out/predictions.csv")}
    reasons = {name: row["not_classified"] for name, row in rows.items() if row["not_classified"]}
    assert reasons == {
        "large.dcm": f"50 x 91 {LARGER}",
        "wide.dcm": f"71 x 80 {LARGER}",
        "mask.dcm": "by its path a crop or a mask; expected a whole mammogram",
        "colour.png": "a colour image; expected gray",
        "small.png": "has the size of a prepared image, not of a film; use trainer.evaluate for images",
        "broken.dcm": reasons["broken.dcm"],
        "text.dcm": "not a DICOM, PNG, TIFF or JPEG file",
    }
    assert reasons["broken.dcm"].startswith("its header specifies 63 x 42 pixels of 16 bits (5,292 bytes)")
    assert all(rows[name]["density"] == rows[name]["probability_1"] == "" for name in reasons)
    assert set(rows) - set(reasons) == {"crop_of_file.dcm", "rle_L_CC.dcm", "whole.dcm"}
    assert (rows["rle_L_CC.dcm"]["side"], rows["rle_L_CC.dcm"]["view"]) == ("LEFT", "CC")
    printed = capsys.readouterr().out
    assert "not classified: not a DICOM, PNG, TIFF or JPEG file (1)" in printed
    kind = "… x … pixels are larger than the canvas … x … of the training images (width x height)"
    examples = [f"  {films}/{name}: {reasons[name]}" for name in ("large.dcm", "wide.dcm")]
    assert "\n".join([f"not classified: {kind} (2)", *examples]) in printed
    assert f"ignored in the folders: its name is not that of an image (1)\n  {films}/notes.txt" in printed


def test_unlike_films_and_digital_mammograms_have_remarks(made, tmp_path):
    films = tmp_path / "films"
    write_dicom(films / "bright.dcm", np.full(CANVAS, 65000, np.uint16))
    write_dicom(films / "digital.dcm", film(3), SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2")
    write_dicom(films / "usual.dcm", film(4))
    assert run(made, tmp_path / "out", films) == 0
    rows = {row["file"].rpartition("/")[2]: row for row in table(tmp_path / "out/predictions.csv")}
    assert rows["digital.dcm"]["remarks"] == "a digital mammogram, but the model was trained on scanned film"
    assert "unlike the training films: brightness 0.992, theirs 0." in rows["bright.dcm"]["remarks"]
    assert rows["usual.dcm"]["remarks"] == ""
    assert all(row["density"] for row in rows.values())
    assert "unlike the training films: brightness 0.992" in (tmp_path / "out/predictions.html").read_text()


def test_a_model_that_does_not_know_its_canvas_needs_it(made, tmp_path, capsys):
    for folder in ("small_train", "small_test"):
        shutil.copytree(made / "out" / folder, tmp_path / "images" / folder)
    argv = [f"--training_data_dir={tmp_path}/images/small_train", "--eval_steps=0", f"--model_dir={tmp_path}/model",
            "--training_steps=1", "--batch_size=4"]  # fmt: skip
    assert gpu_model.main(argv) == 0
    assert run(tmp_path, tmp_path / "out", made / "test") == 2
    assert "their canvas is not known; give --canvas <width>x<height>" in capsys.readouterr().err
    words = ("--direct_num_workers=1", f"--canvas={CANVAS[1]}x{CANVAS[0]}")
    assert run(tmp_path, tmp_path / "out", made / "test", words=words) == 0


def test_another_canvas_than_the_models_is_refused(made, tmp_path, capsys):
    assert run(made, tmp_path, made / "test", words=("--canvas=100x100",)) == 2
    assert "have the canvas 70x90; leave the option out" in capsys.readouterr().err
    assert run(made, tmp_path, made / "test", words=("--resample=nearest",)) == 2
    assert "were made with area; leave the option out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("inputs", "model", "message"),
    [
        (["nothing.dcm"], "model", "nothing.dcm: no such file or folder, or no file in it"),
        (["empty"], "model", "empty: no such file or folder, or no file in it"),
        (["."], "absent", "absent: contains no exported model; expected export/model.json of a finished training"),
        (["*.txt"], "damaged", "model.json: is damaged, or was not written by a trainer; train the model again"),
    ],
)
def test_a_run_that_cannot_start(made, inputs, model, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged/export").mkdir(parents=True)
    (tmp_path / "damaged/export/model.json").write_text("{}")
    folder = made if model == "model" else tmp_path
    assert predict.main([f"--model_dir={folder}/{model}", "--input", *inputs, "--output=out"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_relative_paths_stay_relative(made, tmp_path, monkeypatch):
    monkeypatch.chdir(made)
    assert run(made, tmp_path / "out", "test") == 0
    assert table(tmp_path / "out/predictions.csv")[0]["file"] == f"test/{sorted(f.path for f in TEST)[0]}"


def test_both_trainers_export_the_same_information(made, tmp_path):
    argv = [f"--training_data={made}/out/cache/ddsm_train.tfrecords", "--eval_steps=0", f"--model_dir={tmp_path}/m",
            "--training_steps=1", "--batch_size=4"]  # fmt: skip
    assert tpu_model.main(argv) == 0
    gpu, tpu = (json.loads((folder / "export/model.json").read_text()) for folder in (made / "model", tmp_path / "m"))
    assert gpu.pop("temperature") != tpu.pop("temperature") == 1.0
    assert gpu == tpu
    assert (gpu["canvas"], gpu["resample"]) == ({"height": 90, "width": 70}, "area")
    manifest = json.loads((made / "out/manifest.json").read_text())
    assert gpu["data_set"] == manifest["fingerprint"]
    trained_on = json.loads((made / "model/training.json").read_text())["training_set"]["images"]
    assert gpu["training_images"] == trained_on < len(TRAIN)


@needs_browser
def test_the_page_in_a_browser(made, tmp_path):
    """Two widths, light and dark: no messages, no requests, no faults that axe-core finds; headings sort the table."""
    (tmp_path / "films").mkdir()
    (tmp_path / "films/<img src=x onerror=alert(1)>.dcm").write_text("no film")
    write_dicom(tmp_path / "films/white_L_CC.dcm", np.full(CANVAS, 65000, np.uint16))
    assert run(made, tmp_path / "out", made / "test", tmp_path / "films") == 0
    found = run_script("table.mjs", tmp_path / "out/predictions.html", tmp_path)["sorting"]
    assert found["messages"] == []
    rows = [row for row in table(tmp_path / "out/predictions.csv") if row["density"]]
    keys = {"density": "density", "p(1)": "probability_1", "p(4)": "probability_4", "expected": "expected_density"}
    for column in found["columns"][:8]:
        (up, values), (down, reverse) = column["orders"]
        assert (up, down) == ("ascending", "descending")
        if key := keys.get(column["name"]):
            expected = [f"{float(row[key]):.{0 if key == 'density' else 2}f}" for row in rows]
            assert values == sorted(expected)
            assert reverse == sorted(expected, reverse=True)


def test_films_model_and_output_in_a_bucket(made, bucket, tmp_path):
    films, environment = bucket
    upload(made / "test", films, "new/")
    upload(made / "model/export", films, "model/export/")
    words = ["--model_dir=gs://films/model", "--input", "gs://films/new", "--output=gs://films/predicted"]
    ran = cloud_run("pipelines.predict", environment, *words, "--direct_num_workers=1")
    assert ran.returncode == 0, ran.stderr
    assert run(made, tmp_path / "out", made / "test") == 0
    written = objects(films, "predicted/")
    for name, content in written.items():
        expected = (tmp_path / "out" / name).read_bytes()
        for local, remote in ((made / "test", b"gs://films/new"), (made / "model", b"gs://films/model")):
            expected = expected.replace(str(local).encode(), remote)
        assert content == expected, name
    assert len(written) == 4


def test_films_of_the_imaging_data_commons(made, tmp_path):
    """One real identity, with a film of its true size, from the server that takes the place of the bucket."""
    entry = min(catalogue.entries(), key=lambda entry: entry.bytes)
    shutil.copytree(made / "model", tmp_path / "model", ignore=shutil.ignore_patterns("ckpt*"))
    info = json.loads((tmp_path / "model/export/model.json").read_text())
    info |= {"canvas": {"height": 7111, "width": 5431}}
    (tmp_path / "model/export/model.json").write_text(json.dumps(info))
    with started() as url:
        words = [f"--model_dir={tmp_path}/model", "--input", f"gs://idc-open-data/{entry.idc_folder}"]
        ran = cloud_run("pipelines.predict", {"STORAGE_EMULATOR_HOST": url}, *words, f"--output={tmp_path}/out")
    assert ran.returncode == 0, ran.stderr
    [row] = table(tmp_path / "out/predictions.csv")
    assert (row["mammogram"], row["patient"], row["view"]) == (entry.mammogram_id, entry.patient, entry.view)
    assert row["density"]
    assert row["file"].startswith(f"gs://idc-open-data/{entry.idc_folder}/")
