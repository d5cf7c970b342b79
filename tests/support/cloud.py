"""Functions for tests against servers on localhost: run a command, upload a folder, read objects, serve requests."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager

from tests.support.environments import ROOT


def run(module, environment, *words):
    """Runs a module with `python -m` in another process and returns its subprocess.CompletedProcess."""
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def upload(folder, bucket, prefix):
    """Uploads every file below a folder; `prefix` is put before its path in the folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.blob(f"{prefix}{path.relative_to(folder)}").upload_from_filename(str(path))


def objects(bucket, prefix):
    """Returns {name without the prefix: bytes} of every object whose name begins with a prefix."""
    return {blob.name.removeprefix(prefix): blob.download_as_bytes() for blob in bucket.list_blobs(prefix=prefix)}


def assert_same_dataset(stored, on_disk):
    """Compares two data sets, {name: bytes}; the versions of the films differ between a bucket and a folder."""
    versions = ".film_versions.json"
    assert (versions in stored) == (versions in on_disk)
    assert {**stored, versions: b""} == {**on_disk, versions: b""}


@contextmanager
def serving(server):
    """Serves requests in a thread while the context is open."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
