"""Commands and folders, between this machine and servers on loopback."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager

from tests.support.environments import ROOT


def run(module, environment, *words):
    """A command in a process of its own, as a user starts it."""
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def upload(folder, bucket, prefix):
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.blob(f"{prefix}{path.relative_to(folder)}").upload_from_filename(str(path))


def objects(bucket, prefix):
    """Every object below a prefix and its bytes."""
    return {blob.name.removeprefix(prefix): blob.download_as_bytes() for blob in bucket.list_blobs(prefix=prefix)}


@contextmanager
def serving(server):
    """Answers requests until it is left."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
