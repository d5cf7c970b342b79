"""The tests. The folders have the names of the packages that they test.

`support` contains code for several folders; `faults` contains tests of faults, with random ones among them.
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
