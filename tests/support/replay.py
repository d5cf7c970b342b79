"""Runs a pipeline that was staged for Dataflow, with workers in another environment: replay.py PIPELINE PYTHON

Each environment of the pipeline is replaced by the interpreter PYTHON, which runs isolated (`-I`) in the folder `/`, so
that no module is imported from the source tree. The packages of the environment must be installed for PYTHON already.
"""

import sys
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_provision_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer  # noqa: F401 - registers the URNs


def replay(path: str, python: str) -> str:
    """Runs a pipeline that is stored in a file; returns its final state."""
    pipeline = beam_runner_api_pb2.Pipeline.FromString(Path(path).read_bytes())
    for environment in pipeline.components.environments.values():
        environment.urn = python_urns.SUBPROCESS_SDK
        environment.payload = f"cd / && exec {python} -I -m apache_beam.runners.worker.sdk_worker_main".encode()
        del environment.dependencies[:]
    provision = fn_runner.ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo())
    runner = fn_runner.FnApiRunner(provision_info=provision)
    return str(runner.run_via_runner_api(pipeline, PipelineOptions([])).wait_until_finish())


if __name__ == "__main__":
    print(replay(*sys.argv[1:]))
