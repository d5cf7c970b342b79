"""The interface of `flock` and `lease`: allows one run at a time in a folder; a second run ends with one line.

local folder    `.lock`, held with flock, see `flock`
gs://           `.lock`, an object that the run renews until it ends, see `lease`
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from preprocess.contract import schema
from preprocess.files import storage
from preprocess.files.flock import hold_file
from preprocess.files.lease import hold_object, live_holder
from preprocess.files.lock_holder import Held
from preprocess.runtime.errors import InputError, RunFailed

WITHOUT_LOCK = "without lock"
"""The token of a job from a template. It cannot hold a lock, because no process that could renew it lives as long."""


@contextmanager
def locked(root: str, option: str) -> Iterator[str]:
    """Holds the lock of a folder while the context is open. A missing folder is created.

    Args:
        root: a folder or gs:// prefix.
        option: the command-line option that names it, for messages.

    Yields:
        A token for `check`; empty for a lock that cannot be lost.

    Raises:
        InputError: another run holds the lock, or the folder cannot be written to.
    """
    hold = hold_file if storage.is_local(root) else hold_object
    with ExitStack() as stack:
        try:
            token = stack.enter_context(hold(storage.join(root, schema.LOCK_FILE)))
        except Held as held:
            raise InputError(
                f"{root}: another run is writing there ({held}); wait for it, or choose another {option}"
            ) from held
        except OSError as error:
            raise InputError(
                f"{root}: cannot be written to ({storage.error_message(error)}); choose another {option}"
            ) from error
        yield token


def check(root: str, token: str) -> None:
    """Makes sure that this run still holds the lock; a run that was suspended for a long time may have lost it.

    With `WITHOUT_LOCK`, it makes sure that no other run holds it.

    Raises:
        RunFailed: another run holds it.
    """
    path = storage.join(root, schema.LOCK_FILE)
    if token == WITHOUT_LOCK:
        if storage.is_gcs(root) and (holder := live_holder(path)) is not None:
            raise RunFailed(f"{root}: another run is writing there ({Held(holder)}); start this again after it")
    elif token and not (storage.exists(path) and json.loads(storage.read(path))["token"] == token):
        raise RunFailed(f"{root}: another run has taken it over while this one was suspended; wait until it has ended")
