"""Faults come in a short form with every test run, and in full with `make test-faults`.

FAULTS=full asks for the full form; FAULTS_SEED=N repeats a run whose header showed that seed.
"""

import os
import random

FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
