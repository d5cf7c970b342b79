"""Functions for tests against servers on localhost: run a command, upload a folder, read objects, serve requests."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager

from preprocess.dataset.manifest import LIBRARIES
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


def assert_same_dataset(one, other, from_template=False):
    """Compares two data sets, {name: bytes}, that were made in different places or environments.

    The versions of the films differ between a bucket and a folder, and the manifest names the installed decoders.

    Args:
        from_template: whether a job from a template made `one`; it does not know the versions of the films.
    """
    assert (".film_versions.json" in one) != from_template
    assert _comparable(one) == _comparable(other)


def _comparable(files):
    files = dict(files)
    files.pop(".film_versions.json", None)
    manifest = json.loads(files["manifest.json"])
    manifest["versions"] = {name: manifest["versions"].get(name) for name in LIBRARIES}
    return {**files, "manifest.json": manifest}


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
