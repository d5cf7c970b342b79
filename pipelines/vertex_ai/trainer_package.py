"""The trainers as a source package that an empty machine can install: no Beam, the TensorFlow of its accelerator."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import preprocess
import trainer
from preprocess.runtime.errors import RunFailed

PROJECT = "cbis-ddsm-density"
NAME = "cbis-ddsm-trainer"
GPU, TPU = "gpu", "tpu"
TENSORFLOW = {GPU: "tensorflow[and-cuda]>=2.21,<2.22", TPU: "tensorflow-tpu>=2.20,<2.22"}
"""For a GPU with CUDA's libraries, as an image's may be of another version; for a TPU the build that knows it."""

_NOT_FOR_TRAINING = {
    "apache-beam", "numba", "pydicom", "jinja2", "google-cloud-aiplatform", "google-cloud-logging", "tensorflow",
}  # fmt: skip
_NAMED = re.compile(r"[A-Za-z0-9.-]+")


def build(folder: Path, accelerator: str) -> tuple[Path, str]:
    """Builds the package in a folder of its own; returns its path, and a name that is that of its content.

    Args:
        accelerator: "gpu" or "tpu".

    Raises:
        RunFailed: it cannot be built.
    """
    source = folder / "source"
    for package in (preprocess, trainer):
        origin = Path(str(package.__file__)).parent
        shutil.copytree(origin, source / origin.name, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "pyproject.toml").write_text(_settings(accelerator))
    content = hashlib.sha256()  # of the sources: the archive has the time in it
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        content.update(f"{file.relative_to(source)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "sdist", "-d", str(folder)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if built.returncode:
        raise RunFailed(f"the trainers' package cannot be built: {built.stderr.strip().splitlines()[-1]}")
    (package_file,) = folder.glob("*.tar.gz")
    return package_file, content.hexdigest()[:16]


def requirements(accelerator: str) -> list[str]:
    """What the trainers need: this project's own requirements, less what only the other parts use."""
    return [*sorted(_of_the_trainers()), TENSORFLOW[accelerator]]


def _of_the_trainers() -> Iterator[str]:
    for line in metadata.requires(PROJECT) or []:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        named = _NAMED.match(requirement)
        if named and named[0].lower() not in _NOT_FOR_TRAINING and marker in ("", 'extra == "train"'):
            yield requirement


def _settings(accelerator: str) -> str:
    """Its pyproject.toml. Python 3.10 is what Google's images for training hold."""
    needed = "".join(f'    "{requirement}",\n' for requirement in requirements(accelerator))
    return (
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{NAME}"\nversion = "{metadata.version(PROJECT)}"\nrequires-python = ">=3.10"\n'
        f"dependencies = [\n{needed}]\n\n"
        '[tool.setuptools.packages.find]\ninclude = ["preprocess*", "trainer*"]\n'
    )
