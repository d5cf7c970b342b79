"""Reads TF_CONFIG: the workers that train one model together, and which one of them this process is."""

import collections
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preprocess.runtime.errors import InputError

VARIABLE = "TF_CONFIG"
CHIEF, WORKER = "chief", "worker"
_ROLES = {"chief": CHIEF, "master": CHIEF, "worker": WORKER}
"""The roles that may occur, and their present names. Cloud ML Engine called the chief "master"."""
_EXAMPLE = '{"cluster": {"chief": ["a:2222"], "worker": ["b:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """The workers that train one model together.

    Attributes:
        addresses: "host:port" of the tasks of each role, "chief" and "worker"; empty for a process alone.
        role, index: of this process.
    """

    addresses: Mapping[str, Sequence[str]]
    role: str = CHIEF
    index: int = 0

    @property
    def size(self) -> int:
        """The number of workers, the chief included."""
        return max(1, sum(map(len, self.addresses.values())))

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the model: the chief, or the first worker of a cluster without a chief."""
        return self.index == 0 and (self.role == CHIEF or CHIEF not in self.addresses)


def read_cluster() -> Cluster:
    """Reads TF_CONFIG; a process alone if it is not set.

    Raises:
        InputError: it is invalid, or contains a role other than chief, master and worker.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return Cluster({})
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _invalid(f"it is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise _invalid(f"it is {config!r}")
    cluster, task = ({} if (value := config.get(key)) is None else value for key in ("cluster", "task"))
    addresses = _read_addresses(cluster)
    if not addresses and task == {}:
        return Cluster({})
    role, index = _read_task(task)
    if index >= len(addresses.get(role, [])) and (addresses or index):
        raise _invalid(f"its task is {task['type']} {index}, which is not in its cluster")
    return Cluster(addresses, role, index)


def _read_addresses(cluster: Any) -> dict[str, list[str]]:
    """Returns the addresses of each role that has any, under its present name."""
    if not isinstance(cluster, dict):
        raise _invalid(f"its cluster is {cluster!r}")
    found: dict[str, list[str]] = {}
    for name, addresses in cluster.items():
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise _invalid(f"its addresses of {name!r} are {addresses!r}, not a list of host:port")
        if not addresses:
            continue
        role = _known_role(name)
        if role in found:
            raise _invalid("its cluster has a chief and a master, which mean the same")
        found[role] = addresses
    if len(found.get(CHIEF, [])) > 1:
        raise _invalid(f"its cluster has {len(found[CHIEF])} chiefs")
    times = collections.Counter(address for addresses in found.values() for address in addresses)
    for address, count in times.items():
        if count > 1:
            raise _invalid(f"{address} is the address of {count} tasks")
    return found


def _read_task(task: Any) -> tuple[str, int]:
    """Returns the role, under its present name, and the index of this process."""
    name, index = (task.get("type"), str(task.get("index"))) if isinstance(task, dict) else ("", "")
    if not isinstance(name, str) or not name or not index.isdecimal():
        raise _invalid(f"its task is {task!r}, not a type and an index")
    return _known_role(name), int(index)


def _known_role(name: str) -> str:
    if name not in _ROLES:
        raise InputError(
            f"{VARIABLE} contains the role {name!r}; a training runs on one chief (or master) and workers, which "
            f"evaluate the model, too; start it without other roles"
        )
    return _ROLES[name]


def _is_address(text: Any) -> bool:
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _invalid(fault: str) -> InputError:
    return InputError(f"{VARIABLE} is invalid: {fault}; expected JSON such as {_EXAMPLE}")
