"""Environments of several trainer processes on this machine that train one model."""

import json

from tests.support.ports import claim_ports


def worker_environments(count=2):
    """Returns one environment with TF_CONFIG for each worker, the chief first, with new ports of localhost."""
    addresses = [f"localhost:{port}" for port in claim_ports(count)]
    return [
        {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})}
        for index in range(count)
    ]
