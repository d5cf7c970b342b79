"""Builds the custom job of a training on Vertex AI: one machine with an accelerator."""

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from google.cloud.aiplatform_v1.types import (
    AcceleratorType,
    CustomJob,
    CustomJobSpec,
    DiskSpec,
    EnvVar,
    GcsDestination,
    MachineSpec,
    PythonPackageSpec,
    WorkerPoolSpec,
)

from pipelines.vertex_ai.trainer_package import GPU, TPU
from preprocess.runtime.errors import InputError


@dataclass(frozen=True)
class Machine:
    """The default machine of a training.

    Attributes:
        accelerator: type of the GPU; empty for a TPU.
        topology: of the TPU chips, e.g. "2x2"; empty for a GPU.
        image: container image.
    """

    machine_type: str
    accelerator: str
    accelerator_count: int
    topology: str
    image: str


MACHINES = {
    GPU: Machine("g2-standard-8", "NVIDIA_L4", 1, "", "us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-17.py310:latest"),
    TPU: Machine(
        "ct5lp-hightpu-4t", "", 0, "2x2", "us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest"
    ),
}  # fmt: skip
DISK_GB = 100


def build_job(
    options: argparse.Namespace, name: str, package: str, arguments: Sequence[str], model_dir: str
) -> CustomJob:
    """Returns the job.

    Args:
        options: `--trainer` and those of `options.add_vertex_options`.
        name: the display name.
        package: gs:// path of the trainers' package.
        arguments: of the trainer.
        model_dir: gs:// folder of the model, also for the data that are streamed to TensorBoard.

    Raises:
        InputError: an unknown accelerator.
    """
    default = MACHINES[options.trainer]
    accelerator = options.accelerator or default.accelerator
    own_machine = bool(options.training_machine)
    machine = MachineSpec(
        machine_type=options.training_machine or default.machine_type,
        accelerator_type=_accelerator(accelerator) if accelerator else None,
        accelerator_count=(options.accelerator_count or default.accelerator_count) if accelerator else None,
        tpu_topology=options.tpu_topology or ("" if own_machine else default.topology),
    )
    program = PythonPackageSpec(
        executor_image_uri=options.image or default.image,
        package_uris=[package],
        python_module=f"trainer.{options.trainer}_model",
        args=[*arguments, "--require_accelerator"],  # a machine that is paid for its accelerator uses it
        env=[EnvVar(name="PYTHONUNBUFFERED", value="1")],
    )
    pool = WorkerPoolSpec(
        machine_spec=machine,
        replica_count=1,
        python_package_spec=program,
        disk_spec=DiskSpec(boot_disk_type="pd-ssd", boot_disk_size_gb=DISK_GB),
    )
    spec = CustomJobSpec(
        worker_pool_specs=[pool],
        service_account=options.service_account,
        tensorboard=options.tensorboard,
        base_output_directory=GcsDestination(output_uri_prefix=model_dir),
    )
    return CustomJob(display_name=name, job_spec=spec)


def _accelerator(name: str) -> AcceleratorType:
    known = [kind.name for kind in AcceleratorType][1:]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise InputError(f"--accelerator {name}: not an accelerator of Vertex AI; did you mean {near}?")
    return AcceleratorType[name]


def as_json(job: CustomJob) -> str:
    """Returns the JSON that is sent for a job."""
    return CustomJob.to_json(
        job, always_print_fields_with_no_presence=False, preserving_proto_field_name=False, use_integers_for_enums=False
    )
