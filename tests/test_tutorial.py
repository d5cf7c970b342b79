"""Runs docs/tutorial.ipynb, which is made from docs/tutorial.md, from top to bottom on the sample."""

import base64
import csv
import html
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.environments import make_environment

TEXT = (ROOT / "docs/tutorial.md").read_text()
SAVED = json.loads((ROOT / "docs/tutorial.ipynb").read_text())


@pytest.fixture(scope="module")
def make_notebook(tmp_path_factory):
    """A function that runs docs/make_notebook.py in an environment of its own and returns the notebook.

    The interpreter of this process, which has the project, is the `python` of the notebook's commands.
    """
    python = make_environment(tmp_path_factory.mktemp("notebook") / "venv", ["-r", ROOT / "requirements/notebook.txt"])

    def make(output, *words):
        command = [python, ROOT / "docs/make_notebook.py", *words, output]
        ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return json.loads(output.read_text())

    return make


def environment():
    """Returns environment variables with which `python` is the interpreter of this process, with this project."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def done(make_notebook, tmp_path_factory):
    """(folder in which the notebook was executed, the notebook with its outputs)."""
    folder = tmp_path_factory.mktemp("tutorial")
    return folder, make_notebook(folder / "executed.ipynb", "--execute", folder)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def without_outputs(notebook):
    cells = [cell | {key: None for key in ("outputs", "execution_count") if key in cell} for cell in notebook["cells"]]
    return notebook | {"cells": cells}


def printed(notebook):
    """Returns what all cells have printed."""
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    return "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")


def test_the_saved_notebook_is_made_from_the_text(make_notebook, tmp_path):
    made = make_notebook(tmp_path / "made.ipynb")
    assert without_outputs(made) == without_outputs(SAVED), "run: make notebook"


def test_the_notebook_contains_all_code_in_order():
    marked = re.findall(r"^```(sh|sh real|python)$\n(.*?)\n^```$", TEXT, re.MULTILINE | re.DOTALL)
    sources = ["".join(cell["source"]) for cell in code_cells(SAVED)]
    assert len(sources) == len(marked) > 15
    for (kind, code), source in zip(marked, sources, strict=True):
        assert source.endswith(code)
        assert source.startswith("%%bash -e\n") == (kind != "python")
        assert ('[ "$REAL_FILMS" = yes ] ||' in source) == (kind == "sh real")


def test_the_saved_outputs_are_of_one_run_without_errors():
    cells = code_cells(SAVED)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds == {"stream", "display_data"}
    assert "262 images in 273 files agree with the manifest, and each PNG with its record" in printed(SAVED)
    assert not re.search(r"/tmp\b|/root\b|/home/", json.dumps(SAVED))


def test_the_notebook_has_no_links_to_files_beside_it():
    words = "".join("".join(cell["source"]) for cell in SAVED["cells"] if cell["cell_type"] == "markdown")
    assert all(target.startswith("https://") for target in re.findall(r"\]\(([^)]+)\)", words))
    assert "<!--" not in words


def test_all_cells_run(done):
    folder, notebook = done
    assert without_outputs(notebook) == without_outputs(SAVED)
    text = printed(notebook)
    assert "The project is installed." in text
    assert "265 mammograms named, 264 matched to a file, 1 missing, 2 rejected, 1 excluded" in text
    assert "continues from its checkpoint of step 200" in text
    assert (folder / "work/evaluation/predictions.csv").exists()
    assert "262 images in 273 files agree with the manifest, and each PNG with its record" in text
    assert (folder / "work/both.html").exists()
    with (folder / "work/predictions/predictions.csv").open(newline="") as stream:
        films = list(csv.DictReader(stream))
    assert len(films) > 3
    assert all(film["density"] for film in films)
    assert text.count("REAL_FILMS is not yes: nothing is run.") == 2
    assert not (folder / "real").exists()


def test_the_notebook_shows_images_and_pages(done):
    folder, notebook = done
    shown = [o["data"] for cell in code_cells(notebook) for o in cell["outputs"] if o["output_type"] == "display_data"]
    images = [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]
    first = [min(folder.glob(f"work/dataset/small_test/{density}_*.png")) for density in "1234"]
    assert images == [path.read_bytes() for path in first]
    pages = [html.unescape("".join(data["text/html"])) for data in shown if "text/html" in data]
    files = [folder / "work" / name for name in ("dataset/report.html", "predictions/predictions.html")]
    expected = [path.read_text().replace(str(folder), "/content") for path in files]
    assert [page in frame for page, frame in zip(expected, pages, strict=True)] == [True, True]


def test_tensorboard_shows_the_training(done):
    """Starts the command of the block `sh server` and requests the names of the scalars."""
    (script,) = re.findall(r"^```sh server\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    with subprocess.Popen(
        [*script.split(), "--port=0"], cwd=done[0], env=environment(), stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            address = next(match for line in server.stderr if (match := re.search(r"http://\S+", line)))
            with urllib.request.urlopen(f"{address[0]}data/plugin/scalars/tags") as answer:
                names = json.load(answer)
        finally:
            server.terminate()
            server.stderr.read()
    assert set(names["train"]) == {"accuracy", "learning_rate", "loss", "steps_per_second"}


def test_the_model_has_the_results_in_the_text(done):
    folder, _ = done
    metrics = json.loads((folder / "work/model/metrics.json").read_text())
    assert metrics["step"] == 300
    assert metrics["accuracy"]["value"] >= 0.7
    assert metrics["kappa"]["value"] >= 0.85


def test_all_links_of_the_documents_exist():
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)


def test_all_options_in_the_text_exist():
    from pipelines import tune, vertex
    from pipelines.preparation import options as preparation
    from pipelines.preprocess_and_train import _flags
    from trainer import evaluate, gpu_model, tpu_model

    parsers = (gpu_model.make_parser(), tpu_model.make_parser(), evaluate.make_parser(), tune.make_parser())
    known = _flags(preparation.add_options) | {flag for parser in parsers for flag in parser._option_string_actions}
    known |= vertex._parser().known_options()
    known |= {"--location", "--config", "--substitutions"}  # of gcloud
    known |= {
        "--trainer",
        "--train_on",
        "--patients",
        "--model_dir",
        "--html",
        "--logdir",
        "--python",
    }  # of preprocess_and_train, make_sample, report, TensorBoard and pip
    known |= {"--runner", "--project", "--region", "--temp_location", "--setup_file"}  # Beam's
    commands = TEXT.split("## From the commands of 2018")[0]
    words = set(re.findall(r"(?<![\w-])--[a-z_]+(?![\w-])", commands))
    assert words
    assert words <= known
