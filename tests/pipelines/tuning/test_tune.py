"""The command pipelines.tune on small images: its table and page, killed searches, and errors."""

import csv
import fcntl
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from pipelines import tune
from tests import ROOT
from tests.support.browser import needs_browser, run_script
from tests.support.labelled import labelled_images, write_folder
from tests.trainer.test_resume import steps_of

RATES = ("0.02", "0.004", "1e-6", "1e30")
GRID = f"learning_rate={','.join(RATES)}"
FIXED = ["--network=tutorial", "--image_height=16", "--image_width=12", "--batch_size=8", "--precision=float32",
         "--training_steps=150", "--checkpoint_steps=25", "--eval_every=50"]  # fmt: skip
WORKERS = min(2, len(os.sched_getaffinity(0)))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a data set in `data`: 48 training images of 24 patients, and a file that is no test image."""
    root = tmp_path_factory.mktemp("tune")
    names, pixels, _ = labelled_images(48)
    write_folder(root / "data/small_train", names, pixels)
    (root / "data/small_test").mkdir()
    (root / "data/small_test/1_damaged.png").write_bytes(b"the search does not read this file")
    return root


def argv(root, *words, grid=GRID, fixed=()):
    return [f"--data={root}/data", "--grid", grid, "--folds=2", f"--workers={WORKERS}", f"--output={root}/search",
            *words, "--", *FIXED, *fixed]  # fmt: skip


def start(root):
    command = [sys.executable, "-m", "pipelines.tune", *argv(root)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def searched(root):
    """(folder of a search that was not interrupted, its output); the folder was renamed after the search."""
    process = start(root)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    (root / "search").rename(root / "whole")
    return root / "whole", output


def table(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def best_validation(folder):
    """Returns {column: number} of the validation with the highest kappa and, of these, the lowest loss."""
    with (folder / "validation.csv").open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert [row["step"] for row in rows] == [50, 100, 150]
    return min(rows, key=lambda row: (-row["quadratic_weighted_kappa"], row["loss"]))


def test_the_table_has_the_means_of_the_best_validations(searched):
    folder, _ = searched
    rows = table(folder)
    assert [row["learning_rate"] for row in rows] == list(RATES)
    assert rows[3]["state"] == "failed"
    first = [best_validation(folder / f"trials/{trial}/fold0")["quadratic_weighted_kappa"] for trial in (1, 2, 3)]
    for row, kappa in zip(rows[:3], first, strict=True):
        is_dropped = kappa < np.median(first)
        assert row["state"] == ("dropped" if is_dropped else "complete")
        assert row["folds"] == ("1" if is_dropped else "2")
        folds = [best_validation(folder / f"trials/{row['trial']}/fold{fold}") for fold in range(int(row["folds"]))]
        for column, name in (("mean_kappa", "quadratic_weighted_kappa"), ("mean_accuracy", "accuracy"),
                             ("mean_loss", "loss")):  # fmt: skip
            assert float(row[column]) == pytest.approx(np.mean([fold[name] for fold in folds]), abs=1e-12)
        if not is_dropped:
            kappas = [fold["quadratic_weighted_kappa"] for fold in folds]
            assert float(row["sd_kappa"]) == pytest.approx(np.std(kappas, ddof=1), abs=1e-12)


def test_folds_divide_the_patients(searched, root):
    folder, _ = searched
    images = [json.loads((folder / f"trials/1/fold{fold}/training.json").read_text())["training_set"]["images"]
              for fold in (0, 1)]  # fmt: skip
    assert sum(images) == 48  # each image is trained on in one of two folds
    assert min(images) > 0


def test_only_tables_and_messages_of_the_trainings_are_kept(searched):
    folder, _ = searched
    assert {path.name for path in folder.iterdir()} == {"tuning.json", "trials.csv", "tuning.html", "trials"}
    assert {path.name for path in (folder / "trials/1/fold0").iterdir()} == {
        "result.json", "training.json", "history.csv", "speed.csv", "validation.csv", "tensorboard", "log.txt",
        "errors.txt", "model_card.md",
    }  # fmt: skip
    assert (
        "not finite" in (folder / "trials/4/fold0/errors.txt").read_text()
        or "the loss of step" in (folder / "trials/4/fold0/errors.txt").read_text()
    )


def test_the_page(searched, root):
    folder, output = searched
    page = (folder / "tuning.html").read_text()
    rows = table(folder)
    complete = [row for row in rows if row["state"] == "complete"]
    best = max(complete, key=lambda row: float(row["mean_kappa"]))
    command = (
        f"python -m trainer.gpu_model --training_data_dir={root}/data/small_train {' '.join(FIXED)} "
        f"--learning_rate={best['learning_rate']} --eval_data_dir={root}/data/small_test --validation_share=0 "
        f"--model_dir={root}/search/winner"
    )
    assert command in output
    assert command in html.unescape(page)
    shown = re.findall(
        r'<tr(?: class="\w+")?><th scope="row">(\d)</th><td>([^<]*)</td><td>(\d)</td><td>([^<]*)</td>', page
    )
    assert shown[0] == (best["trial"], best["learning_rate"], "2", f"{float(best['mean_kappa']):.3f}")
    assert [row[0] for row in shown[2:]] == ["3" if rows[2]["state"] == "dropped" else shown[2][0], "4"]
    assert shown[3] == ("4", "1e30", "0", "")
    assert "trial 4: the loss of step" in page or "trial 4: weights are not finite" in page
    assert len(re.findall("<svg", page)) == 4  # the parallel coordinates, and a plot for each trial that did not fail
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "url(" not in page.replace("url(#", "")
    assert set(re.findall(r"https?://[^\s\"'<]*", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "<script" not in page


def wait_for_steps(process, folder, steps):
    """Waits until the history of a training contains some steps."""
    while steps_of(folder) < steps:
        assert process.poll() is None, process.stderr.read()
        os.sched_yield()


def test_a_killed_search_ends_with_the_same_bytes(searched, root):
    expected, _ = searched
    process = start(root)
    wait_for_steps(process, root / "search/trials/1/fold0", 40)
    process.terminate()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (143, "stopped by SIGTERM: the same command continues from what was saved\n")
    assert not (root / "search/trials/1/fold0/result.json").exists()
    assert list((root / "search/trials/1/fold0").glob("ckpt-*.index"))
    process = start(root)
    wait_for_steps(process, root / "search/trials/2/fold0", 60)
    process.kill()
    process.wait()
    process = start(root)  # waits for the trainings of the killed process, which save their last step
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "continues from its checkpoint of step" in (root / "search/trials/1/fold0/log.txt").read_text()
    for name in ("trials.csv", "tuning.html", "tuning.json"):
        assert (root / "search" / name).read_bytes() == (expected / name).read_bytes(), name
    for path in expected.glob("trials/*/*/validation.csv"):
        assert (root / "search" / path.relative_to(expected)).read_bytes() == path.read_bytes(), path
    results = {path: path.stat().st_mtime_ns for path in (root / "search").glob("trials/*/*/result.json")}
    assert len(results) == 6
    assert tune.main(argv(root)) == 0  # a finished search runs no training
    assert {path: path.stat().st_mtime_ns for path in results} == results
    assert (root / "search/tuning.html").read_bytes() == (expected / "tuning.html").read_bytes()


@pytest.mark.parametrize(("change", "what"), [
    ({"grid": "learning_rate=0.02,0.004"}, "space, trials"),
    ({"fixed": ["--seed=1"]}, "options"),
    ({"words": ["--folds=3"]}, "folds"),
    ({"words": ["--metric=loss"]}, "metric"),
])  # fmt: skip
def test_another_search_in_the_same_folder_is_refused(searched, root, change, what, capfd):
    shutil.rmtree(root / "search", ignore_errors=True)
    shutil.copytree(searched[0], root / "search")
    before = {path: path.stat().st_mtime_ns for path in (root / "search").rglob("*") if path.is_file()}
    options = dict(change)
    assert tune.main(argv(root, *options.pop("words", ()), **options)) == 2
    assert capfd.readouterr().err == (
        f"error: {root}/search: contains another search, with other {what}; give the same options, or choose another "
        f"--output\n"
    )
    assert {path: path.stat().st_mtime_ns for path in (root / "search").rglob("*") if path.is_file()} == before


def test_a_training_that_fails_ends_the_search(root, capfd):
    shutil.rmtree(root / "search", ignore_errors=True)
    fold = root / "search/trials/2/fold0"
    fold.mkdir(parents=True)
    (fold / "training.json").write_text("{")
    assert tune.main(argv(root, grid="learning_rate=0.02,0.004")) == 1
    line = f"{fold}/training.json: is damaged, or was not written by a trainer; choose another --model_dir"
    assert capfd.readouterr().err == f"error: {fold}: the training failed: {line}\n"
    assert (fold / "errors.txt").read_text() == f"error: {line}\n"
    assert not (root / "search/trials.csv").exists()


@pytest.mark.parametrize(("words", "fixed", "message"), [
    (["--data=nowhere"], [], "nowhere/small_train: cannot be listed (No such file or directory); name a folder of"),
    (["--folds=1"], [], "trial 1 (learning_rate=0.02): argument --folds: '1' is not a whole number, 2 to 1000"),
    (["--folds=999"], [], "small_train: --folds 999 holds out no patient of 24; give another number of --folds"),
    (["--workers=999"], [], "--workers 999: this machine has "),
    (["--seed=1"], [], "--trials and --seed are for --search; --grid runs all its combinations"),
    (["--metric=f1"], [], "argument --metric: invalid choice: 'f1'"),
    (["--output=gs://b/x"], [], "--output gs://b/x: trainings are started on this machine; name a local folder"),
    (["--search=x"], [], "argument --search: not allowed with argument --grid"),
    ([], ["--learning_rate=1"], "--learning_rate after --: it is also searched; leave it out in one of the two places"),
    ([], ["--fold=1"], "--fold after --: the search sets it or has no use for it; leave it out"),
    ([], ["--stepz=1"], "trial 1 (learning_rate=0.02): unknown option --stepz; did you mean "),
    ([], ["--image_width=13"], "12 x 16 pixels; expected 13 x 16"),
])  # fmt: skip
def test_a_wrong_command_is_one_line_before_any_training(root, capfd, words, fixed, message):
    shutil.rmtree(root / "search", ignore_errors=True)
    assert tune.main(argv(root, *words, fixed=fixed)) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (root / "search").exists()


def test_the_output_is_not_inside_the_data_set(root, capfd):
    assert tune.main(argv(root, f"--output={root}/data/search")) == 2
    assert (
        f"--output {root}/data/search is inside --data {root}/data; name a folder outside it" in capfd.readouterr().err
    )


def test_a_second_search_in_the_same_folder_is_refused(root):
    shutil.rmtree(root / "search", ignore_errors=True)
    first = start(root)
    wait_for_steps(first, root / "search/trials/1/fold0", 1)
    second = start(root)
    _, errors = second.communicate()
    first.send_signal(signal.SIGINT)
    _, stopped = first.communicate()
    assert second.returncode == 2
    assert errors.startswith(f"error: {root}/search: another run is writing there (")
    assert (first.returncode, stopped) == (130, "interrupted: the same command continues from what was saved\n")


def test_a_search_waits_for_the_trainings_of_a_killed_one(root):
    """The lock that trainings hold is held by this test."""
    shutil.rmtree(root / "search", ignore_errors=True)
    (root / "search/trials").mkdir(parents=True)
    with (root / "search/trials/.running").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = start(root)
        lines = iter(process.stdout)
        assert "waits for trainings of an earlier run, which save their last step\n" in lines
        assert not list((root / "search/trials").glob("*/*"))
    assert next(lines) == "fold 0: 4 trials\n"
    process.terminate()
    process.communicate()
    assert process.returncode == 143


@needs_browser
def test_the_page_in_a_browser(searched, tmp_path):
    """Two widths, light and dark: no messages, no requests, no faults that axe-core finds."""
    run_script("table.mjs", searched[0] / "tuning.html", tmp_path)
