"""`trainer.evaluate` evaluates an exported model on any images, and changes nothing in its folder."""

import csv
import json
import shutil

import numpy as np
import pytest

from tests.faults.small_models import argv
from tests.pipelines.test_preprocess import tree
from tests.support.labelled import labelled_images, write_folder, write_records
from trainer import evaluate, gpu_model

SIZE = (4, 4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with images (train, test, other), records of the test images, and a model."""
    root = tmp_path_factory.mktemp("evaluate")
    for split, count, seed in (("train", 16, 0), ("test", 12, 1), ("other", 130, 2)):
        names, pixels, labels = labelled_images(count, seed, size=SIZE)
        names = [
            f"{label + 1}_Mass-Test_P_{seed}{n // 2:04d}_LEFT_{('CC', 'MLO')[n % 2]}" for n, label in enumerate(labels)
        ]
        write_folder(root / split, names, pixels)
        write_records(root / f"{split}.tfrecords", names, pixels, labels)
    assert gpu_model.main(argv(root, root / "model", 20)) == 0
    return root


def run(root, data, *words, out="out"):
    return evaluate.main([f"--model_dir={root}/model", "--data", *map(str, data), f"--output={root}/{out}", *words])


def numbers(values, path=""):
    """Returns path -> value of all values in nested dicts and lists."""
    if isinstance(values, (dict, list)):
        items = values.items() if isinstance(values, dict) else enumerate(values)
        return {key: found for name, value in items for key, found in numbers(value, f"{path}/{name}").items()}
    return {path: values}


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_test_images_have_the_results_of_the_training(trained):
    before = tree(trained / "model")
    assert run(trained, [trained / "test"], "--training_data", str(trained / "train")) == 0
    assert tree(trained / "model") == before
    found, expected = (json.loads((trained / name / "metrics.json").read_text()) for name in ("out", "model"))
    assert (found.pop("model_dir"), found.pop("data")) == (f"{trained}/model", [f"{trained}/test"])
    for key in ("step", "precision", "seed"):
        del expected[key]
    assert (expected["baselines"], expected["calibration"]["temperature"]) == (found["baselines"], 1)
    assert numbers(found) == pytest.approx(numbers(expected), abs=1e-6)  # probabilities are rounded twice
    for one, other in zip(
        table(trained / "out/predictions.csv"), table(trained / "model/predictions.csv"), strict=True
    ):
        assert [one[key] for key in ("name", "density", "predicted")] == [
            other[key] for key in ("name", "density", "predicted")
        ]
        for category in range(1, 5):
            key = f"probability_{category}"
            assert float(one[key]) == pytest.approx(float(other[key]), abs=1e-6)


def test_pngs_and_records_give_the_same_bytes(trained):
    assert run(trained, [trained / "other"], out="pngs") == 0
    assert run(trained, [trained / "oth*.tfrecords"], out="records") == 0
    pngs, records = (
        {row["name"]: row for row in table(trained / f"{out}/predictions.csv")} for out in ("pngs", "records")
    )
    assert pngs == records
    assert len(pngs) == 130


def test_a_prediction_does_not_depend_on_the_other_images(trained, tmp_path):
    """Of 130 images, in two calls, and of one."""
    assert run(trained, [trained / "other"], out="all") == 0
    last = table(trained / "all/predictions.csv")[-1]
    (tmp_path / "one").mkdir()
    shutil.copy(trained / f"other/{last['name']}.png", tmp_path / "one")
    assert run(trained, [tmp_path / "one"], out="one") == 0
    (one,) = table(trained / "one/predictions.csv")
    for row in (one, last):
        del row["predicted_breast"], row["predicted_patient"]  # they depend on the other images of the patient
    assert one == last


def test_the_metrics_are_those_of_the_predictions(trained):
    assert run(trained, [trained / "other"], out="all") == 0
    rows = table(trained / "all/predictions.csv")
    metrics = json.loads((trained / "all/metrics.json").read_text())
    assert metrics["images"] == 130
    assert metrics["accuracy"]["value"] == pytest.approx(np.mean([row["density"] == row["predicted"] for row in rows]))
    losses = [-np.log(float(row[f"probability_{row['density']}"])) for row in rows]
    assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_baselines_are_fitted_on_the_training_images(trained, capfd):
    assert run(trained, [trained / "other"], "--training_data", f"{trained}/train", out="pngs") == 0
    assert (
        run(trained, [trained / "oth*.tfrecords"], "--training_data", f"{trained}/train.tfrecords", out="records") == 0
    )
    first, second = (json.loads((trained / out / "metrics.json").read_text()) for out in ("pngs", "records"))
    assert first["baselines"] == second["baselines"]
    labels = [int(path.name[0]) for path in (trained / "train").iterdir()]
    guess = max((1, 2, 3, 4), key=lambda category: (labels.count(category), -category))
    others = [int(path.name[0]) for path in (trained / "other").iterdir()]
    assert first["baselines"]["constant guess"]["accuracy"]["value"] == pytest.approx(others.count(guess) / 130)
    comparison = first["beats_best_baseline"]
    best = first["baselines"][comparison["baseline"]]
    assert best["kappa"]["value"] == max(found["kappa"]["value"] for found in first["baselines"].values())
    assert comparison["kappa"]["value"] == pytest.approx(first["kappa"]["value"] - best["kappa"]["value"])
    assert f"The model {comparison['sentence']}." in capfd.readouterr().out


def test_the_temperature_is_that_of_the_training(trained, tmp_path):
    shutil.copytree(trained / "model", tmp_path / "model")
    info = json.loads((tmp_path / "model/export/model.json").read_text())
    (tmp_path / "model/export/model.json").write_text(json.dumps(info | {"temperature": 1.25}))
    shutil.copytree(trained / "test", tmp_path / "test")
    assert run(tmp_path, [tmp_path / "test"]) == 0
    assert json.loads((tmp_path / "out/metrics.json").read_text())["calibration"]["temperature"] == 1.25


def test_wrong_input_is_one_line(trained, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    shutil.copytree(trained / "model", tmp_path / "half")
    (tmp_path / "half/export/saved_model.pb").unlink()
    shutil.copytree(trained / "model", tmp_path / "broken")
    (tmp_path / "broken/export/saved_model.pb").write_bytes(b"x")
    names, pixels, _ = labelled_images(4, 3, size=(5, 4))
    write_folder(tmp_path / "large", names, pixels)
    base = {"--model_dir": f"{trained}/model", "--data": f"{trained}/test", "--output": f"{tmp_path}/out"}
    for changed, message in (
        (
            {"--model_dir": f"{tmp_path}/none"},
            "none: contains no exported model; expected export/model.json of a finished training",
        ),
        ({"--model_dir": f"{tmp_path}/half"}, "half/export: contains no exported model that can be loaded ("),
        ({"--model_dir": f"{tmp_path}/broken"}, "broken/export: contains no exported model that can be loaded ("),
        ({"--data": f"{tmp_path}/none"}, "none: "),
        ({"--data": f"{tmp_path}/large"}, "expected 4 x 4"),
        ({"--output": f"{tmp_path}/file/out"}, "file/out: cannot be written to ("),
        ({"--training_data": f"{tmp_path}/none"}, "none: "),
        ({"--training_data": f"{trained}/test"}, "test both contain "),
    ):
        words = [f"{name}={value}" for name, value in (base | changed).items()]
        assert evaluate.main(words) == 2
        (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error")]
        assert message in line
