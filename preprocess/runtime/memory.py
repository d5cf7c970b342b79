"""How much memory the processes of this machine or container may still use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MEMORY_INFO = "proc/meminfo"
_CGROUP = "proc/self/cgroup"
_CGROUPS = "sys/fs/cgroup"
_VERSION_1 = "sys/fs/cgroup/memory/memory.limit_in_bytes"


def available_memory(root: Path = Path("/")) -> int:
    """Returns the bytes that may be used: the memory that is available, or the limit of a control group if it is less.

    Args:
        root: the folder that contains `proc` and `sys`, for tests.

    Returns:
        The whole memory where the system tells neither (macOS).
    """
    return min(_limits(root), default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _limits(root: Path) -> Iterator[int]:
    for line in _lines(root / _MEMORY_INFO):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield int(value.split()[0]) << 10
    files = [root / _VERSION_1, root / _CGROUPS / "memory.max"]
    for line in _lines(root / _CGROUP):
        if line.startswith("0::/"):  # version 2; the groups above have limits, too
            group = Path(line.removeprefix("0::/"))
            files += [root / _CGROUPS / folder / "memory.max" for folder in (group, *group.parents)]
    for file in files:
        yield from (int(line) for line in _lines(file) if line.isdecimal())  # "max": no limit


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text().splitlines()
    return []
