"""Chooses the Beam runner and sets the options that it needs and the user did not give."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    StreamingOptions,
    WorkerOptions,
)
from apache_beam.version import __version__ as beam_version

from preprocess.files import storage
from preprocess.runtime.errors import InputError

LOCAL_RUNNER, DATAFLOW_RUNNER = "DirectRunner", "DataflowRunner"
SETUP_FILE = Path(__file__).parents[2] / "setup.py"
MACHINE_TYPE = "e2-standard-2"
WORKER_THREADS = 8
HEADERS_AT_ONCE, FILMS_AT_ONCE = 8, 3
"""Each film takes up to three of the ten connections that Google's client keeps open."""
MAX_WORKERS = 16
DISK_GB = 30
FILMS_A_WORKER, BYTES_A_WORKER = 500, 256 << 20
"""The least work for which another local worker is started: starting it takes a few seconds."""


def apply_defaults(
    options: PipelineOptions, given: set[str], paths: Mapping[str, str], requirements: str = ""
) -> PipelineOptions:
    """Sets the options that the chosen runner needs and the user did not give.

    Args:
        given: the names of the options that the user gave.
        paths: option -> its path, which all workers must be able to use; --output is one of them.
        requirements: a file with packages that workers of Dataflow install besides the job; "" for none.

    Raises:
        InputError: an unknown runner, or a missing option that has no default.
    """
    standard = options.view_as(StandardOptions)
    standard.runner = _runner_name(standard.runner)
    if standard.runner == LOCAL_RUNNER:
        _apply_local_defaults(options, given)
    elif standard.runner == DATAFLOW_RUNNER:
        _apply_dataflow_defaults(options, given, paths, requirements)
    return options


def choose_worker_count(options: PipelineOptions, films: int, size: int) -> None:
    """Sets the number of local workers if the user did not give one: one for each core, but fewer for little work.

    Args:
        films: number of films.
        size: of their files together, in bytes.
    """
    direct = options.view_as(DirectOptions)
    if is_local(options) and direct.direct_num_workers == 0:
        busy = max(films // FILMS_A_WORKER, size // BYTES_A_WORKER)
        direct.direct_num_workers = max(1, min(os.cpu_count() or 1, busy))
        if direct.direct_num_workers == 1:
            direct.direct_running_mode = "in_memory"


def films_at_once(options: PipelineOptions, input_root: str) -> tuple[int, int]:
    """Returns how many headers and how many films a bundle reads at a time: several if they are read over a network.

    Workers of Dataflow process several bundles at a time instead.
    """
    dataflow = options.view_as(StandardOptions).runner == DATAFLOW_RUNNER
    return (1, 1) if storage.is_local(input_root) or dataflow else (HEADERS_AT_ONCE, FILMS_AT_ONCE)


def is_local(options: PipelineOptions) -> bool:
    return options.view_as(StandardOptions).runner == LOCAL_RUNNER


def failures(options: PipelineOptions) -> tuple[type[Exception], ...]:
    """Returns the exceptions that the chosen runner raises for a failed job."""
    if options.view_as(StandardOptions).runner != DATAFLOW_RUNNER:
        return (RuntimeError,)
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException  # slow to import

    return RuntimeError, DataflowRuntimeException


def template_of(options: PipelineOptions) -> str | None:
    """Returns the file to which the job is written instead of run; None if it is run."""
    return options.view_as(GoogleCloudOptions).template_location


def staging_of(options: PipelineOptions) -> str | None:
    """Returns the folder in which Beam keeps the files of a template; None without one."""
    cloud = options.view_as(GoogleCloudOptions)
    return cloud.staging_location or cloud.temp_location


def _apply_local_defaults(options: PipelineOptions, given: set[str]) -> None:
    """Sets the number of workers, and selects the local runner that the tests use.

    DirectRunner first tries to download another runner (Prism) and uses it if it can, so that the runner would depend
    on the network. With `update_compatibility_version`, it does not.
    """
    direct, streaming = options.view_as(DirectOptions), options.view_as(StreamingOptions)
    if "--direct_num_workers" not in given:
        direct.direct_num_workers = 0  # Beam's value for one worker a core; see `choose_worker_count`
    if "--direct_running_mode" not in given and direct.direct_num_workers != 1:
        direct.direct_running_mode = "multi_processing"
    streaming.update_compatibility_version = streaming.update_compatibility_version or beam_version


def _apply_dataflow_defaults(
    options: PipelineOptions, given: set[str], paths: Mapping[str, str], requirements: str
) -> None:
    """Sets bucket, package, machine and disk; docs/decisions.md explains the figures."""
    cloud, setup, worker = (options.view_as(view) for view in (GoogleCloudOptions, SetupOptions, WorkerOptions))
    for flag, root in paths.items():
        if not storage.is_gcs(root):
            raise InputError(f"{flag} {root}: Dataflow's workers cannot read it; copy it to gs:// and give that path")
    for flag, value in (("--project", cloud.project), ("--region", cloud.region)):
        if not value:
            raise InputError(f"no {flag}: {DATAFLOW_RUNNER} needs --project and --region")
    if not cloud.temp_location:
        cloud.temp_location = storage.join(storage.bucket_of(paths["--output"]), "dataflow-temp")
    if not setup.setup_file and not worker.sdk_container_image:  # such an image contains the project
        if not SETUP_FILE.exists():
            raise InputError(f"{SETUP_FILE}: does not exist, and workers install the job from it; give a --setup_file")
        setup.setup_file = os.path.relpath(SETUP_FILE)
        if os.sep not in setup.setup_file:
            setup.setup_file = f".{os.sep}{setup.setup_file}"  # Beam requires a folder in the name
    if requirements and not setup.requirements_file and not worker.sdk_container_image:
        setup.requirements_file, setup.requirements_cache = requirements, "skip"  # workers install from PyPI
    worker.machine_type = worker.machine_type or MACHINE_TYPE
    worker.max_num_workers = worker.max_num_workers or max(MAX_WORKERS, worker.num_workers or 0)
    worker.disk_size_gb = worker.disk_size_gb or DISK_GB
    if "--number_of_worker_harness_threads" not in given:
        options.view_as(DebugOptions).number_of_worker_harness_threads = WORKER_THREADS


def _runner_name(name: str | None) -> str:
    """Returns a runner's full name, e.g. of `direct`. A dotted name is the path of a class and is kept."""
    if name is None or "." in name:
        return name or LOCAL_RUNNER
    known = {runner.lower(): runner for runner in StandardOptions.KNOWN_RUNNER_NAMES}
    found = known.get(name.lower()) or known.get(f"{name.lower()}runner")
    if found is None:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.0)[0]
        raise InputError(f"unknown runner {name}; did you mean {known[near]}?")
    return LOCAL_RUNNER if found == "SwitchingDirectRunner" else found
