"""Faults come in a short form with every test run, and in full with `make test-faults`.

FAULTS=full asks for the full form; FAULTS_SEED=N repeats a run whose header showed that seed.
"""

import os
import random

import pytest

FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))


def pytest_report_header():
    return f"faults: {'full' if FULL else 'short'} form, FAULTS_SEED={SEED}"


@pytest.fixture
def rng(request):
    """The same numbers for the same seed and test, whichever tests run beside it."""
    print(f"FAULTS_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="session")
def full():
    """Whether to take the time that the full form takes."""
    return FULL
