"""Starts a Python worker of a TaskManager, as the `boot` of Beam's images does; `cluster.py` makes it a program.

A pool of workers, Beam's other way, cannot serve two TaskManagers on one machine: both call their workers by the same
names, and each stops the other's.
"""

import argparse
import os
import sys

import grpc
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
from google.protobuf import json_format, text_format


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    asked, _ = parser.parse_known_args()
    with grpc.insecure_channel(asked.provision_endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        info = service.GetProvisionInfo(request, metadata=[("worker_id", asked.id)], wait_for_ready=True).info
    os.environ["WORKER_ID"] = asked.id
    os.environ["PIPELINE_OPTIONS"] = json_format.MessageToJson(info.pipeline_options)
    os.environ["RUNNER_CAPABILITIES"] = " ".join(info.runner_capabilities)
    os.environ["CONTROL_API_SERVICE_DESCRIPTOR"] = text_format.MessageToString(info.control_endpoint)
    os.environ["LOGGING_API_SERVICE_DESCRIPTOR"] = text_format.MessageToString(info.logging_endpoint)
    # -I: nothing of a source tree is near.
    os.execv(sys.executable, [sys.executable, "-I", "-m", "apache_beam.runners.worker.sdk_worker_main"])


main()
