"""Where the job runs, and what each runner is told besides what its user says."""

import difflib
import os
from collections.abc import Collection
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

from preprocess import storage
from preprocess.errors import InputError
from preprocess.plan import Film
from preprocess.stores.gcs import SCHEME, bucket_of

LOCAL_RUNNER, DATAFLOW_RUNNER = "DirectRunner", "DataflowRunner"
SETUP_FILE = Path(__file__).parents[1] / "setup.py"
MACHINE_TYPE = "e2-standard-2"
WORKER_THREADS = 8
MAX_WORKERS = 16
DISK_GB = 30
FILMS_A_WORKER, BYTES_A_WORKER = 500, 256 << 20
"""What a local worker prepares at least, or another one would take longer to start than it saves."""


def complete(options: PipelineOptions, given: set[str], input_root: str, output_root: str) -> PipelineOptions:
    """Adds what the chosen runner needs and its user did not say.

    Args:
        given: the flags that the user did say.

    Raises:
        InputError: no such runner, or something is missing that cannot be guessed.
    """
    standard = options.view_as(StandardOptions)
    standard.runner = _runner_name(standard.runner)
    if standard.runner == LOCAL_RUNNER:
        _complete_local(options, given)
    elif standard.runner == DATAFLOW_RUNNER:
        _complete_dataflow(options, given, input_root, output_root)
    return options


def settle_workers(options: PipelineOptions, films: Collection[Film]) -> None:
    """Decides how many workers the local runner has, where its user did not or said 0: one a core, as far as there is
    work for it.
    """
    direct = options.view_as(DirectOptions)
    if is_local(options) and direct.direct_num_workers == 0:
        busy = max(len(films) // FILMS_A_WORKER, sum(film.bytes for film in films) // BYTES_A_WORKER)
        direct.direct_num_workers = max(1, min(os.cpu_count() or 1, busy))
        if direct.direct_num_workers == 1:
            direct.direct_running_mode = "in_memory"


def is_local(options: PipelineOptions) -> bool:
    return options.view_as(StandardOptions).runner == LOCAL_RUNNER


def failures(options: PipelineOptions) -> tuple[type[Exception], ...]:
    """What the chosen runner raises of a job that failed."""
    if options.view_as(StandardOptions).runner != DATAFLOW_RUNNER:
        return (RuntimeError,)
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException  # slow to import

    return RuntimeError, DataflowRuntimeException


def template_of(options: PipelineOptions) -> str | None:
    """Where the job is only written to, for somebody else to start."""
    return options.view_as(GoogleCloudOptions).template_location


def _complete_local(options: PipelineOptions, given: set[str]) -> None:
    """As many workers as have work, where nothing else is said, and always the same local runner.

    DirectRunner would download and try another runner (Prism) first, and fall back where it cannot: which one a user
    gets would depend on the network. Naming a compatible version keeps it to the runner that the tests use.
    """
    direct, streaming = options.view_as(DirectOptions), options.view_as(StreamingOptions)
    if "--direct_num_workers" not in given:
        direct.direct_num_workers = 0  # Beam's word for one a core; see `settle_workers`
    if "--direct_running_mode" not in given and direct.direct_num_workers != 1:
        direct.direct_running_mode = "multi_processing"
    streaming.update_compatibility_version = streaming.update_compatibility_version or beam_version


def _complete_dataflow(options: PipelineOptions, given: set[str], input_root: str, output_root: str) -> None:
    """A project, a region and the bucket of --output are enough; docs/decisions.md says why these figures."""
    cloud, setup, worker = (options.view_as(view) for view in (GoogleCloudOptions, SetupOptions, WorkerOptions))
    for flag, root in (("--input", input_root), ("--output", output_root)):
        if not root.startswith(SCHEME):
            raise InputError(f"{flag} {root}: Dataflow's workers do not see it; copy it to gs:// and name that")
    for flag, value in (("--project", cloud.project), ("--region", cloud.region)):
        if not value:
            raise InputError(f"no {flag}: {DATAFLOW_RUNNER} needs --project and --region")
    if not cloud.temp_location:
        cloud.temp_location = storage.join(bucket_of(output_root), "dataflow-temp")
    if not setup.setup_file and not worker.sdk_container_image:  # an image of one's own holds the project
        if not SETUP_FILE.exists():
            raise InputError(f"{SETUP_FILE}: is not there, and workers install the job from it; name a --setup_file")
        setup.setup_file = os.path.relpath(SETUP_FILE)
        if os.sep not in setup.setup_file:
            setup.setup_file = f".{os.sep}{setup.setup_file}"  # Beam takes no name without a folder
    worker.machine_type = worker.machine_type or MACHINE_TYPE
    worker.max_num_workers = worker.max_num_workers or max(MAX_WORKERS, worker.num_workers or 0)
    worker.disk_size_gb = worker.disk_size_gb or DISK_GB
    if "--number_of_worker_harness_threads" not in given:
        options.view_as(DebugOptions).number_of_worker_harness_threads = WORKER_THREADS


def _runner_name(name: str | None) -> str:
    """A runner's full name. Beam takes `direct`, too, and classes of other packages by their path."""
    if name is None or "." in name:
        return name or LOCAL_RUNNER
    known = {runner.lower(): runner for runner in StandardOptions.KNOWN_RUNNER_NAMES}
    found = known.get(name.lower()) or known.get(f"{name.lower()}runner")
    if found is None:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.0)[0]
        raise InputError(f"unknown runner {name}; did you mean {known[near]}?")
    return LOCAL_RUNNER if found == "SwitchingDirectRunner" else found
