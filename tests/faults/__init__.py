"""Faults come in a short form with every test run, and in full with `make test-faults`.

The short form is the same one every time, the full form another one. FAULTS=full asks for the latter; FAULTS_SEED=N
repeats a run whose header showed that seed.
"""

import os
import random

FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or (random.SystemRandom().randrange(1 << 32) if FULL else 2026))
