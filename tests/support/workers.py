"""Environments of several trainer processes on this machine that train one model."""

import json

from tests.support.ports import claim_ports


def worker_environments(count=2, first="worker"):
    """Returns one environment with TF_CONFIG for each worker, the chief first, with new ports of localhost.

    Args:
        first: the role of the first: "worker", "chief" or "master".
    """
    roles = [first, *["worker"] * (count - 1)]
    cluster, tasks = {}, []
    for role, port in zip(roles, claim_ports(count), strict=True):
        tasks.append({"type": role, "index": len(cluster.setdefault(role, []))})
        cluster[role].append(f"localhost:{port}")
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]
