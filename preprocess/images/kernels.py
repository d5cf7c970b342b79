"""The pixel loops of the area method of `resize`, compiled by numba when they are first called.

The compiled code is cached next to this file for later processes, if this folder is writable.
"""

import os

import numba
import numpy as np

compiled = numba.njit(nogil=True, cache=os.access(os.path.dirname(__file__), os.W_OK))


@compiled
def add_rows(rows: np.ndarray, line: np.ndarray) -> None:
    """Adds rows to a line, in place. This is the only loop over all pixels of a film.

    Args:
        rows: (n, W) uint16.
        line: (W,) uint32.
    """
    height, width = rows.shape
    for y in range(height):
        for x in range(width):
            line[x] += rows[y, x]


@compiled
def sum_intervals(line: np.ndarray, edges: np.ndarray, into: np.ndarray) -> None:
    """Sums the pixels of each interval of a line, and copies the pixel at each edge.

    Args:
        line: (W,) uint32.
        edges: (n + 1,) int64, index of the pixel that contains each edge.
        into: (2 n + 1,) int64, is overwritten: first the n sums of line[edges[i] : edges[i + 1]], then the n + 1 pixels
            line[edges[i]].
    """
    count = edges.size - 1
    for number in range(count):
        total = 0
        for x in range(edges[number], edges[number + 1]):
            total += line[x]
        into[number] = total
    for number in range(count + 1):
        into[count + number] = line[edges[number]]
