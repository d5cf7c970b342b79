"""The two loops over pixels, compiled at their first call: whoever resizes a film waits for it, and nobody else.

What is compiled is kept beside this file for the next process, where that can be written.
"""

import os

import numba
import numpy as np

compiled = numba.njit(nogil=True, cache=os.access(os.path.dirname(__file__), os.W_OK))


@compiled
def add_rows(rows: np.ndarray, line: np.ndarray) -> None:
    """Adds (n, W) uint16 rows to a (W,) uint32 line, in place. The only loop that looks at every pixel."""
    height, width = rows.shape
    for y in range(height):
        for x in range(width):
            line[x] += rows[y, x]


@compiled
def sum_intervals(line: np.ndarray, edges: np.ndarray, into: np.ndarray) -> None:
    """Keeps of a line what lies between edges, and the pixels that they cut.

    Args:
        line: (W,) uint32.
        edges: (n + 1,) int64, which pixel each edge cuts.
        into: (2 n + 1,) int64, is overwritten: n sums of pixels, each from the one that an edge cuts to before the one
            that the next edge cuts; then the n + 1 pixels that are cut.
    """
    count = edges.size - 1
    for number in range(count):
        total = 0
        for x in range(edges[number], edges[number + 1]):
            total += line[x]
        into[number] = total
    for number in range(count + 1):
        into[count + number] = line[edges[number]]
