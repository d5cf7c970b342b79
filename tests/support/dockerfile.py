"""Reads a Dockerfile, and carries out its instructions in a virtual environment, where there is no container engine."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from tests import ROOT

PYTHON_FOLDER = "/usr/local/lib/python3.11"  # where the official images of Python 3.11 install packages


def read_dockerfile(path):
    """Returns (instruction, argument) of each line that is not a comment."""
    lines = [line for line in Path(path).read_text().splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(" ", 1)) for line in lines]


def make_image(path, environment, folder):
    """Carries out COPY, RUN pip, ENV and ENTRYPOINT.

    Args:
        path: of the Dockerfile; the build context is the root of the repository.
        environment: folder of a virtual environment; it stands for the system of the image.
        folder: stands for the working folder of the image.

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
