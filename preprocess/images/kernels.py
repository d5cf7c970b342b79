"""The pixel loops of the area method of `resize`, compiled by numba when they are first called.

The compiled code is cached next to this file for later processes, if this folder is writable.
"""

import os

import numba
import numpy as np

compiled = numba.njit(nogil=True, cache=os.access(os.path.dirname(__file__), os.W_OK))


@compiled
def sum_rows(
    band: np.ndarray, rows: np.ndarray, columns: np.ndarray, row_sums: np.ndarray, cut_rows: np.ndarray
) -> None:
    """Sums the rows of each interval of a band, and calls `sum_intervals` for the sum and for the first row.

    Args:
        band: (n, W) uint16; the first row is at the first edge.
        rows: (k + 1,) int64, index of the row of the band that contains each edge. An interval whose first edge is
            below the band is skipped.
        columns: (w + 1,) int64, index of the pixel that contains each edge of a line; at most W, a black pixel that is
            added to the band.
        row_sums, cut_rows: (at least k, 2 w + 1) int64; row i is overwritten by the numbers of the sum of the rows
            rows[i] : rows[i + 1], and of row rows[i].
    """
    height, width = band.shape
    line = np.zeros(width + 1, np.uint32)
    for number in range(rows.size - 1):
        start, stop = rows[number], rows[number + 1]
        if start < height:
            for x in range(width):
                line[x] = band[start, x]
            sum_intervals(line, columns, cut_rows[number])
        if start < stop:
            for y in range(start + 1, stop):  # the only loop over all pixels of a film, except the first rows
                for x in range(width):
                    line[x] += band[y, x]
            sum_intervals(line, columns, row_sums[number])


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
