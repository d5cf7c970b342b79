"""A lock object in Google Cloud Storage, which expires unless its holder renews it.

The object is created only if it does not exist and replaced only in a known generation, by the service's preconditions.
Its age is taken from the service's clock. A lock that was not renewed for a minute may be taken over.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from preprocess.files.gcs import TIMEOUT, delete, get_blob
from preprocess.files.google_errors import RETRY, GenerationMismatch, translate_errors
from preprocess.files.lock_holder import Held, describe_holder
from preprocess.runtime.errors import InputError, RunFailed

LEASE_SECONDS = 60.0
_RENEW_SECONDS = 10.0
_MISSING = 0
"""The generation of an object that does not exist, in a precondition."""
_NOW = "-now"
"""Suffix of an object that is written to read the service's clock."""


@dataclass(frozen=True)
class _Found:
    """The content of a lock object, its generation, and the seconds since it was written."""

    data: bytes
    generation: int
    seconds: float


@contextmanager
def hold_object(path: str) -> Iterator[str]:
    """Holds the lock while the context is open; a thread renews it.

    Yields:
        A token for `lock.check`.

    Raises:
        Held: another process holds it.
        OSError, InputError, RunFailed: see `storage`.
    """
    holder = describe_holder(token := uuid.uuid4().hex)
    generation = _replace(path, holder, _MISSING)
    if generation is None:
        found = _find(path)
        if found is None or found.seconds > LEASE_SECONDS:
            generation = _replace(path, holder, found.generation if found else _MISSING)
        if generation is None:
            after = f"; if that run was killed, its lock expires {LEASE_SECONDS:.0f} s after its last renewal"
            raise Held(found.data if found else b"", after)
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, holder, generation, ended), name="lock", daemon=True)
    thread.start()
    try:
        yield token
    finally:
        ended.set()
        thread.join()
        with suppress(RunFailed, OSError):  # otherwise it expires
            _release(path, holder)


def live_holder(path: str) -> bytes | None:
    """Returns the content of a lock object that was renewed less than a minute ago; None if there is none."""
    found = _find(path)
    return found.data if found and found.seconds <= LEASE_SECONDS else None


def _renew(path: str, holder: bytes, generation: int | None, ended: threading.Event) -> None:
    """Rewrites the lock object at intervals, until the lock is released or lost."""
    while generation is not None and not ended.wait(_RENEW_SECONDS):
        with suppress(RunFailed, OSError, InputError):  # the store is down; the run itself reports it
            generation = _replace(path, holder, generation)


def _replace(path: str, data: bytes, generation: int) -> int | None:
    """Writes an object if its current generation is the given one.

    Returns:
        The new generation; None if the object has another generation, and nothing was written.
    """
    blob = get_blob(path)
    try:
        with translate_errors(path, "there is no bucket of this name"):
            blob.upload_from_string(data, if_generation_match=generation, timeout=TIMEOUT, retry=RETRY)
        return blob.generation
    except GenerationMismatch:
        found = _find(path)  # perhaps a first try succeeded and its answer was lost
        return found.generation if found and found.data == data else None


def _find(path: str) -> _Found | None:
    """Reads a lock object and its age; None if there is none."""
    now, blob = get_blob(f"{path}{_NOW}"), get_blob(path)
    with translate_errors(path):
        now.upload_from_string(b"", timeout=TIMEOUT, retry=RETRY)
    delete(f"{path}{_NOW}")
    try:
        with translate_errors(path):
            data = blob.download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=RETRY)
            blob.reload(timeout=TIMEOUT, retry=RETRY)
    except FileNotFoundError:
        return None
    return _Found(data, blob.generation, (now.updated - blob.updated).total_seconds())


def _release(path: str, data: bytes) -> None:
    """Deletes a lock object with this content; one with another content is kept."""
    blob = get_blob(path)
    with suppress(FileNotFoundError, GenerationMismatch), translate_errors(path):
        blob.reload(timeout=TIMEOUT, retry=RETRY)
        if blob.download_as_bytes(checksum="crc32c", timeout=TIMEOUT, retry=RETRY) == data:
            blob.delete(if_generation_match=blob.generation, timeout=TIMEOUT, retry=RETRY)
    delete(f"{path}{_NOW}")
