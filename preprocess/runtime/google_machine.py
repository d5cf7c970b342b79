"""Whether this machine may have Google Cloud's metadata server, and how long Google's library looks for it."""

import os
from contextlib import suppress

_PRODUCT_NAME = "/sys/class/dmi/id/product_name"
_CONTAINER_VARIABLES = ("KUBERNETES_SERVICE_HOST", "CLOUD_ML_PROJECT_ID", "CLOUD_RUN_JOB", "K_SERVICE")
"""Set by Kubernetes, Vertex AI and Cloud Run, whose containers may hide the name of the machine."""


def is_google_machine() -> bool:
    """Whether this may be a machine of Google Cloud, by the name of its hardware or by its environment variables."""
    with suppress(OSError), open(_PRODUCT_NAME) as file:
        if file.read().startswith("Google"):
            return True
    return any(name in os.environ for name in _CONTAINER_VARIABLES)


def look_once_for_metadata_server() -> None:
    """Makes Google's library look only once, for 1 s, for the metadata server, unless this is a machine of Google.

    By default it looks three times, for 3 s each, before it reports that there are no credentials. The main program of
    a command calls this function. Workers do not: on Dataflow, the metadata server is the only source of their
    credentials, and one late answer would fail the bundle.
    """
    if not is_google_machine():
        os.environ.setdefault("GCE_METADATA_DETECT_RETRIES", "1")
        os.environ.setdefault("GCE_METADATA_TIMEOUT", "1")
