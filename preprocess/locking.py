"""One run at a time in one place: a second one ends at once and says who holds it.

a local folder    .lock, held with flock: the system lets go of it when the process ends, however it ends
gs://             .lock, an object that is made only where there is none and renewed as long as its holder lives;
                  one that was not renewed for a minute is taken over
other stores      no lock; they offer nothing that would be sure
"""

import fcntl
import getpass
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from preprocess import schema, storage
from preprocess.errors import InputError, RunFailed
from preprocess.stores import gcs

LEASE_SECONDS = 60.0
_RENEW_SECONDS = 10.0


@contextmanager
def locked(root: str, option: str) -> Iterator[str]:
    """Holds a place for one run, as long as the context is open; a missing folder is made.

    Args:
        root: a folder or gs:// prefix.
        option: which named it.

    Yields:
        What `check` wants to see; empty where a lock cannot be lost.

    Raises:
        InputError: another run holds it, or it cannot be written to.
    """
    hold = _hold_file if storage.is_local(root) else _hold_object if root.startswith(gcs.SCHEME) else _hold_nothing
    with ExitStack() as stack:
        try:
            token = stack.enter_context(hold(storage.join(root, schema.LOCK_FILE)))
        except _Taken as taken:
            raise InputError(
                f"{root}: another run is writing there ({taken}); wait for it, or choose another {option}"
            ) from taken
        except OSError as error:
            raise InputError(
                f"{root}: cannot be written to ({storage.reason(error)}); choose another {option}"
            ) from error
        yield token


def check(root: str, token: str) -> None:
    """Makes sure that a run still holds its place; one that was held up for long may have lost it.

    Raises:
        RunFailed: another run has it.
    """
    path = storage.join(root, schema.LOCK_FILE)
    if token and not (storage.exists(path) and json.loads(storage.read(path))["token"] == token):
        raise RunFailed(f"{root}: another run has taken it over while this one was held up; wait until it has ended")


class _Taken(Exception):
    """Somebody else holds the lock; the message says who."""

    def __init__(self, holder: bytes, after: str = ""):
        try:
            said = json.loads(holder)
            who = f"{said['who']}, since {said['since']}"
        except (ValueError, TypeError, KeyError):  # it has only just taken it
            who = "since just now"
        super().__init__(f"{who}{after}")


@contextmanager
def _hold_file(path: str) -> Iterator[str]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 1 << 16, 0)
            os.close(descriptor)
            raise _Taken(holder) from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                break
        os.close(descriptor)  # its holder let go of it in between, and of the file
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, _holder(""), 0)
        yield ""
    finally:
        storage.delete([path])  # first, so that nobody takes a file that is about to go
        os.close(descriptor)


@contextmanager
def _hold_object(path: str) -> Iterator[str]:
    holder = _holder(token := uuid.uuid4().hex)
    generation = gcs.write_over(path, holder, gcs.NOTHING)
    if generation is None:
        found = gcs.read_aged(path)
        if found is None or found.seconds > LEASE_SECONDS:
            generation = gcs.write_over(path, holder, found.generation if found else gcs.NOTHING)
        if generation is None:
            after = f"; should that run be dead, its hold ends {LEASE_SECONDS:.0f} s after its last sign of life"
            raise _Taken(found.data if found else b"", after)
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, holder, generation, ended), name="lock", daemon=True)
    thread.start()
    try:
        yield token
    finally:
        ended.set()
        thread.join()
        with suppress(RunFailed, OSError):  # else its hold ends by itself
            gcs.delete_own(path, holder)


def _renew(path: str, holder: bytes, generation: int | None, ended: threading.Event) -> None:
    """Says again and again that the holder lives, until it lets go or has lost its place."""
    while generation is not None and not ended.wait(_RENEW_SECONDS):
        with suppress(RunFailed, OSError, InputError):  # the store is down: the run itself will say so
            generation = gcs.write_over(path, holder, generation)


@contextmanager
def _hold_nothing(path: str) -> Iterator[str]:
    storage.write(path, b"")
    storage.delete([path])
    yield ""


def _holder(token: str) -> bytes:
    """Who holds a lock, as the next one is told."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        user = str(os.getuid())
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return json.dumps({"who": f"{user}@{socket.gethostname()}, process {os.getpid()}", "since": since,
                       "token": token}).encode()  # fmt: skip
