"""A lock file on a local disk, held with flock: the system releases it when the process ends or is killed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from preprocess.files import local
from preprocess.files.lock_holder import Held, describe_holder


@contextmanager
def hold_file(path: str) -> Iterator[str]:
    """Holds the lock while the context is open. Missing folders are created.

    Yields:
        An empty token: the lock cannot be lost.

    Raises:
        Held: another process holds it.
        OSError: the file cannot be written.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 1 << 16, 0)
            os.close(descriptor)
            raise Held(holder) from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                break
        os.close(descriptor)  # the previous holder deleted the file after it was opened here
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, describe_holder(""), 0)
        yield ""
    finally:
        local.delete(path)  # before the lock is released, so that no process locks a file that is about to be deleted
        os.close(descriptor)
