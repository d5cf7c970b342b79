"""Runs a pipeline that was staged for Dataflow, in worker processes of another environment: replay.py PIPELINE PYTHON

Each environment of the pipeline becomes PYTHON, isolated (`-I`) and in the root folder, so that nothing of the source
tree can leak in; what would be installed there is installed in it already.
"""

import sys
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_provision_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer  # noqa: F401 - loads the urns


def replay(path: str, python: str) -> str:
    """Returns the state in which the pipeline ends."""
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
