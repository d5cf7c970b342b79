"""Runs the commands of docs/tutorial.md in their order."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests import ROOT

TEXT = (ROOT / "docs/tutorial.md").read_text()
BLOCK = re.compile(r"^```sh( server)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def environment():
    """Returns environment variables with the interpreter of this process first on the PATH."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(script, folder):
    """Runs a block of commands, which must succeed; returns its output."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    ran = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def serve(script, folder):
    """Starts TensorBoard, requests the names of its scalars, and stops it; returns {run: names}."""
    with subprocess.Popen(
        [*script.split(), "--port=0"], cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            address = next(match for line in server.stderr if (match := re.search(r"http://\S+", line)))
            with urllib.request.urlopen(f"{address[0]}data/plugin/scalars/tags") as answer:
                return json.load(answer)
        finally:
            server.terminate()
            server.stderr.read()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(folder, outputs of the blocks)."""
    folder = tmp_path_factory.mktemp("tutorial")
    return folder, [serve(script, folder) if server else run(script, folder) for server, script in BLOCK.findall(TEXT)]


def test_all_blocks_run(done):
    folder, outputs = done
    assert len(outputs) == len(re.findall(r"^```sh", TEXT, re.MULTILINE)) == 11
    joined = "\n".join(map(str, outputs))
    assert "265 mammograms named, 264 matched to a file, 1 missing, 2 rejected, 1 excluded" in joined
    assert "continues from its checkpoint of step 200" in joined
    assert (folder / "work/evaluation/predictions.csv").exists()
    assert "262 images in 266 files agree with the manifest, and each PNG with its record" in joined
    assert set(next(text for text in outputs if isinstance(text, dict))["train"]) == {
        "accuracy", "learning_rate", "loss", "steps_per_second",
    }  # fmt: skip
    assert (folder / "work/both.html").exists()


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
    }  # of preprocess_and_train, make_sample, report and TensorBoard
    known |= {"--runner", "--project", "--region", "--temp_location", "--setup_file"}  # Beam's
    commands = TEXT.split("## From the commands of 2018")[0]
    words = set(re.findall(r"(?<![\w-])--[a-z_]+(?![\w-])", commands))
    assert words
    assert words <= known
