"""The requirements of the container images of trainings, which `docker/gpu` and `docker/tpu` describe.

`make lock` writes the pinned versions to the `requirements.txt` of each image.
"""

import re
from collections.abc import Iterator
from importlib import metadata

PROJECT = "cbis-ddsm-density"
GPU, TPU = "gpu", "tpu"
TENSORFLOW = {
    GPU: ["tensorflow[and-cuda]>=2.21,<2.22"],
    TPU: ["google-api-python-client>=2,<3", "libtpu==0.0.20", "oauth2client>=4,<5", "tensorflow-tpu==2.20.0"],
}
"""Accelerator -> requirements.

GPU: TensorFlow with the CUDA libraries, because the base image has none.
TPU: the build of TensorFlow that supports it; the libtpu that was the newest when this build was released, because
TensorFlow does not start with the newest of today; and the two clients with which TensorFlow looks up the address of
`--tpu NAME`.
"""

_NOT_FOR_TRAINING = {
    "apache-beam", "numba", "pydicom", "jinja2", "google-cloud-aiplatform", "google-cloud-logging", "tensorflow",
    "optuna", "pyyaml",
}  # fmt: skip
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9.-]+")


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
