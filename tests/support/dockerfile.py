"""Reads the Dockerfile of a container image of this project, and carries out its instructions in a virtual environment.

No container engine is needed.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

from tests import ROOT
from tests.support.environments import make_environment

PYTHON_FOLDER = "/usr/local/lib/python3.11"  # where the official images of Python 3.11 install packages


def read_dockerfile(path):
    """Returns (instruction, argument) of each line that is not a comment."""
    lines = [line for line in Path(path).read_text().splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(" ", 1)) for line in lines]


def pinned_versions(accelerator):
    """Returns package -> version of the requirements.txt of an image."""
    text = (ROOT / "docker" / accelerator / "requirements.txt").read_text()
    return dict(line.split("==") for line in text.split())


def make_image(path, environment, folder, install=True):
    """Carries out COPY, RUN pip, ENV and ENTRYPOINT.

    Args:
        path: of the Dockerfile; the build context is the root of the repository.
        environment: folder of a virtual environment; it stands for the system of the image.
        folder: stands for the working folder of the image.
        install: whether to carry out RUN pip.

    Returns:
        (the first words of a command, its environment variables), with the paths of the two folders.
    """
    variables, entry, workdir = {}, [], ""
    for instruction, argument in read_dockerfile(path):
        if instruction == "WORKDIR":
            workdir = argument
        elif instruction == "COPY":
            source, target = argument.split()
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, folder / target)
        elif instruction == "RUN":
            program, *words = argument.split()
            assert program == "pip"
            if install:
                subprocess.run([f"{environment}/bin/python", "-m", "pip", "-q", *words], cwd=folder, check=True)
        elif instruction == "ENV":
            name, value = argument.split("=", 1)
            value = re.sub(f"^{workdir}(?=/|$)", str(folder), value)
            variables[name] = value.replace(PYTHON_FOLDER, f"{environment}/lib/python3.11")
        elif instruction == "ENTRYPOINT":
            entry = json.loads(argument)
        else:
            assert instruction == "FROM", instruction
    return [f"{environment}/bin/{entry[0]}", *entry[1:]], variables


def make_gpu_image_without_cuda(folder):
    """Makes the image for a GPU with its pinned requirements, except the CUDA libraries, 3 GB; returns as `make_image`.

    Args:
        folder: an empty folder.
    """
    pinned = pinned_versions("gpu").items()
    lines = [f"{name}=={version}" for name, version in pinned if not name.startswith("nvidia-")]
    make_environment(folder / "venv", lines, tested_versions=False)
    (folder / "trainer").mkdir()
    return make_image(ROOT / "docker/gpu/Dockerfile", folder / "venv", folder / "trainer", install=False)
