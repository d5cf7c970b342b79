"""The tutorial, from top to bottom as a reader would run it."""

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


def in_the_environment():
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(script, folder):
    command = ["bash", "-euo", "pipefail", "-c", script]
    ran = subprocess.run(command, cwd=folder, env=in_the_environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def serve(script, folder):
    """Starts a server, asks it for what it knows of the training, and stops it."""
    with subprocess.Popen(
        [*script.split(), "--port=0"], cwd=folder, env=in_the_environment(), stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            address = next(found for line in server.stderr if (found := re.search(r"http://\S+", line)))
            with urllib.request.urlopen(f"{address[0]}data/plugin/scalars/tags") as answer:
                return json.load(answer)
        finally:
            server.terminate()
            server.stderr.read()


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each block printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    return folder, [serve(script, folder) if server else run(script, folder) for server, script in BLOCK.findall(TEXT)]


def test_every_block_runs(said):
    folder, outputs = said
    assert len(outputs) == len(re.findall(r"^```sh", TEXT, re.MULTILINE)) == 11
    joined = "\n".join(map(str, outputs))
    assert "265 mammograms named, 264 matched to a file, 1 missing, 2 rejected, 1 excluded" in joined
    assert "goes on from its checkpoint of step 50" in joined
    assert "100 steps were taken" not in joined  # --training_steps 0 judges, and asks for no training
    assert "262 images in 266 files are what the manifest says" in joined
    assert set(next(text for text in outputs if isinstance(text, dict))["train"]) == {
        "accuracy", "learning_rate", "loss", "steps_per_second",
    }  # fmt: skip
    assert (folder / "work/both.html").exists()


def test_it_ends_where_the_text_says(said):
    folder, _ = said
    metrics = json.loads((folder / "work/model/metrics.json").read_text())
    assert metrics["step"] == 100
    assert metrics["accuracy"]["value"] >= 0.85
    assert metrics["kappa"]["value"] >= 0.85


def test_every_link_leads_somewhere():
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)


def test_every_option_that_the_text_names_exists():
    from pipelines.preparation import options as preparation
    from pipelines.preprocess_and_train import _flags
    from pipelines.vertex_ai.options import add_vertex_options
    from trainer import gpu_model, tpu_model

    parsers = (gpu_model._parser(), tpu_model._parser())
    known = _flags(preparation.add_options) | {flag for parser in parsers for flag in parser._option_string_actions}
    known |= _flags(add_vertex_options)
    known |= {
        "--trainer",
        "--train_on",
        "--patients",
        "--model_dir",
        "--html",
        "--logdir",
    }  # of the chain, the sample, the report
    known |= {"--runner", "--project", "--region", "--temp_location", "--setup_file"}  # Beam's
    ours = TEXT.split("## From the commands of 2018")[0]
    words = set(re.findall(r"(?<![\w-])--[a-z_]+(?![\w-])", ours))
    assert words <= known
