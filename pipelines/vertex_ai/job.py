"""Builds the custom job of a training on Vertex AI: one machine with an accelerator.

It runs in a container image of this project, which `docker/gpu/Dockerfile` or `docker/tpu/Dockerfile` describes.
"""

import argparse
import difflib
from collections.abc import Sequence

from google.cloud.aiplatform_v1.types import (
    AcceleratorType,
    ContainerSpec,
    CustomJob,
    CustomJobSpec,
    DiskSpec,
    GcsDestination,
    MachineSpec,
    WorkerPoolSpec,
)

from pipelines.vertex_ai.image_requirements import TPU
from preprocess.runtime.errors import InputError

GPU_MACHINE, GPU_TYPE = "g2-standard-8", "NVIDIA_L4"
TPU_MACHINE = "ct5lp-hightpu-4t"
TPU_TOPOLOGIES = {"ct5lp-hightpu-1t": "1x1", "ct5lp-hightpu-4t": "2x2", "ct5lp-hightpu-8t": "2x4"}
"""Machine with a TPU v5e -> the arrangement of its chips. Larger arrangements need several machines."""
IMAGE = "{region}-docker.pkg.dev/{project}/breast-density/{accelerator}-trainer:latest"
"""The image that `docker/gpu/cloudbuild.yaml` or `docker/tpu/cloudbuild.yaml` builds."""
DISK_GB = 100


def job_spec(options: argparse.Namespace, arguments: Sequence[str], output: str) -> CustomJobSpec:
    """Returns what a training runs, and on which machine.

    Args:
        options: `--project`, `--region`, `--trainer` and those of `options.add_vertex_options`.
        arguments: of the trainer.
        output: gs:// folder; Vertex AI names folders in it in the variables of `trainer.runtime.vertex`.

    Raises:
        InputError: an unknown accelerator, or one that does not suit the trainer.
    """
    arguments = [*arguments, "--require_accelerator"]  # a machine that is paid for its accelerator uses it
    default = IMAGE.format(region=options.region, project=options.project, accelerator=options.trainer)
    pool = WorkerPoolSpec(
        machine_spec=_tpu_machine(options) if options.trainer == TPU else _gpu_machine(options),
        replica_count=1,
        disk_spec=DiskSpec(boot_disk_type="pd-ssd", boot_disk_size_gb=DISK_GB),
        container_spec=ContainerSpec(image_uri=options.image or default, args=arguments),
    )
    return CustomJobSpec(
        worker_pool_specs=[pool],
        service_account=options.service_account,
        tensorboard=options.tensorboard,
        base_output_directory=GcsDestination(output_uri_prefix=output),
    )


def _gpu_machine(options: argparse.Namespace) -> MachineSpec:
    name = options.accelerator or GPU_TYPE
    known = [kind.name for kind in AcceleratorType if kind.name.startswith("NVIDIA")]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise InputError(f"--accelerator {name}: not a GPU of Vertex AI; did you mean {near}?")
    if options.tpu_topology:
        raise InputError(f"--tpu_topology {options.tpu_topology}: a GPU has none; choose --trainer {TPU}")
    return MachineSpec(
        machine_type=options.training_machine or GPU_MACHINE,
        accelerator_type=AcceleratorType[name],
        accelerator_count=options.accelerator_count or 1,
    )


def _tpu_machine(options: argparse.Namespace) -> MachineSpec:
    name = options.training_machine or TPU_MACHINE
    if options.accelerator or options.accelerator_count:
        given = options.accelerator or options.accelerator_count
        raise InputError(f"{given}: the machines of a TPU v5e need no accelerator; choose one with --training_machine")
    if name not in TPU_TOPOLOGIES:
        raise InputError(f"--training_machine {name}: has no TPU v5e; expected one of {', '.join(TPU_TOPOLOGIES)}")
    topology = TPU_TOPOLOGIES[name]
    if options.tpu_topology not in (None, topology):
        raise InputError(
            f"--tpu_topology {options.tpu_topology}: a training runs on one machine, and {name} has {topology} chips; "
            f"leave the option out, or choose another --training_machine"
        )
    return MachineSpec(machine_type=name, tpu_topology=topology)


def as_json(job: CustomJob) -> str:
    """Returns the JSON that is sent for a job, or for another message."""
    return type(job).to_json(
        job, always_print_fields_with_no_presence=False, preserving_proto_field_name=False, use_integers_for_enums=False
    )
