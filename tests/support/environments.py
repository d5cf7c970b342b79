"""Makes virtual environments with given requirements, by default in the versions of requirements/dev.txt."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests import ROOT

UV = Path(sys.executable).with_name("uv")


def make_environment(folder, requirements, interpreter=sys.executable, tested_versions=True):
    """Makes an environment with pip and these requirements only; returns the path of its interpreter.

    Args:
        tested_versions: whether to install the versions of requirements/dev.txt, or those that a resolver chooses.
    """
    python = Path(folder) / "bin/python"
    constraints = ["-c", ROOT / "requirements/dev.txt"] if tested_versions else []
    _run(UV, "venv", "-q", "--seed", "--python", interpreter, folder)
    _run(UV, "pip", "install", "-q", "--python", python, *constraints, *requirements)
    return python


def install(python, package):
    """Installs a source package as a Beam worker does: without its dependencies and without a package index."""
    _run(python, "-I", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation",
         "--force-reinstall", package)  # fmt: skip


def copy_project(folder):
    """Copies the files from which the package is built, without build outputs and caches; returns the folder."""
    for name in ("preprocess", "pipelines", "trainer"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def _run(*command):
    done = subprocess.run([str(word) for word in command], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
