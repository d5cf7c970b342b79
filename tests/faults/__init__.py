"""Tests of faults: damaged files, killed processes, full disks, failing stores. Many of them choose faults at random.

They have a short form, for every test run, and a full form, for `make test-faults`. The short form makes the same
random choices every time; the full form makes other choices every time.

Environment variables:
    FAULTS: "full" for the full form.
    FAULTS_SEED: the seed of the random choices. To repeat a run, set it to the number that was printed at its start.
"""

import os
import random

FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or (random.SystemRandom().randrange(1 << 32) if FULL else 2026))
os.environ["FAULTS_SEED"] = str(SEED)  # for the workers of pytest-xdist, which import this module again
