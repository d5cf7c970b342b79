"""Builds the trainers as a source package for a GPU, without Beam.

For a TPU, `docker/tpu/Dockerfile` takes the place of the package; `requirements` has its requirements, too.
"""

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
TENSORFLOW = {
    GPU: ["tensorflow[and-cuda]>=2.21,<2.22"],
    TPU: ["google-api-python-client>=2,<3", "libtpu==0.0.20", "oauth2client>=4,<5", "tensorflow-tpu==2.20.0"],
}
"""Accelerator -> requirements. For a GPU with the CUDA libraries, because those of the container image may have another
version. For a TPU the build that supports it, with the libtpu that was the newest at its release, because TensorFlow
does not start with the newest of today; and the two clients with which TensorFlow looks up the address of `--tpu NAME`.
"""

_NOT_FOR_TRAINING = {
    "apache-beam", "numba", "pydicom", "jinja2", "google-cloud-aiplatform", "google-cloud-logging", "tensorflow",
    "optuna", "pyyaml",
}  # fmt: skip
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9.-]+")


def build(folder: Path) -> tuple[Path, str]:
    """Builds the package.

    Args:
        folder: an empty folder.

    Returns:
        The path of the package in `folder`, and a hash of its sources.

    Raises:
        RunFailed: it cannot be built.
    """
    source = folder / "source"
    for package in (preprocess, trainer):
        origin = Path(str(package.__file__)).parent
        shutil.copytree(origin, source / origin.name, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "pyproject.toml").write_text(_settings())
    content = hashlib.sha256()  # of the sources, because the archive contains the time
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        content.update(f"{file.relative_to(source)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "sdist", "-d", str(folder)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if built.returncode:
        raise RunFailed(f"the trainers' package cannot be built: {built.stderr.strip().splitlines()[-1]}")
    (package_file,) = folder.glob("*.tar.gz")
    return package_file, content.hexdigest()[:16]


def requirements(accelerator: str) -> list[str]:
    """Returns the requirements of the trainers: those of this project that they use, and TensorFlow.

    Args:
        accelerator: "gpu" or "tpu".
    """
    return [*sorted(_project_requirements()), *TENSORFLOW[accelerator]]


def _project_requirements() -> Iterator[str]:
    for line in metadata.requires(PROJECT) or []:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        name = _PACKAGE_NAME.match(requirement)
        if name and name[0].lower() not in _NOT_FOR_TRAINING and marker in ("", 'extra == "train"'):
            yield requirement


def _settings() -> str:
    """Returns the text of its pyproject.toml. Google's container images for training contain Python 3.10."""
    needed = "".join(f'    "{requirement}",\n' for requirement in requirements(GPU))
    return (
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{NAME}"\nversion = "{metadata.version(PROJECT)}"\nrequires-python = ">=3.10"\n'
        f"dependencies = [\n{needed}]\n\n"
        '[tool.setuptools.packages.find]\ninclude = ["preprocess*", "trainer*"]\n'
    )
