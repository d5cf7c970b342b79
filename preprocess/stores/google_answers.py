"""What Google's services and the sign-in to them can answer, as errors of one line; and what is tried again."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from google.api_core.exceptions import (
    ClientError,
    Forbidden,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
    RetryError,
    Unauthorized,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY
from requests import RequestException

from preprocess.errors import InputError, RunFailed

RETRY = DEFAULT_RETRY.with_delay(initial=0.5, maximum=8.0, multiplier=2.0).with_timeout(120.0)
"""For 408, 429, 5xx and broken connections. What this project writes is the same when it is written twice."""
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_NO_OBJECT = "there is no such object"


class Exists(Exception):
    """Another generation stands where one was to be written over."""


@contextmanager
def answers(path: str, missing: str = _NO_OBJECT) -> Iterator[None]:
    """Turns what the service or the sign-in answers into errors of one line.

    Args:
        missing: what a "not found" means for this request.

    Raises:
        FileNotFoundError, PermissionError: about this path.
        InputError: there is no sign-in, or it is no longer good.
        RunFailed: the service did not answer, or not rightly, for as long as it was asked.
    """
    try:
        yield
    except PreconditionFailed as error:
        raise Exists from error
    except (NotFound, RequestRangeNotSatisfiable) as error:
        raise FileNotFoundError(errno.ENOENT, missing, path) from error
    except (Forbidden, Unauthorized) as error:
        raise PermissionError(errno.EACCES, said(error), path) from error
    except GoogleAuthError as error:
        raise no_sign_in(path, error) from error
    except ClientError as error:
        if error.code not in _PASSING:
            raise InputError(f"{path}: Google Cloud Storage does not take this ({said(error)})") from error
        raise _failed(path, error) from error
    except (GoogleAPIError, RequestException, DataCorruption) as error:
        raise _failed(path, error) from error


def _failed(path: str, error: Exception) -> RunFailed:
    return RunFailed(
        f"{path}: Google Cloud Storage failed ({said(error)}); what may pass was tried again for up to "
        f"{RETRY.timeout:.0f} s; run the same command later"
    )


def no_sign_in(what: str, error: GoogleAuthError) -> InputError:
    """What to say where Google's library finds nobody signed in, or a sign-in that is no longer good."""
    return InputError(
        f"{what}: no sign-in to Google Cloud that works ({type(error).__name__}); run `gcloud auth "
        f"application-default login`, or name a key file in GOOGLE_APPLICATION_CREDENTIALS"
    )


def said(error: Exception) -> str:
    """A service's own words, in a line; where it had none, what kind of answer it was."""
    if isinstance(error, RetryError) and error.cause:
        return said(error.cause)
    try:
        words = error.response.json()["error"]["message"]  # type: ignore[attr-defined]
        return words.splitlines()[0]
    except (AttributeError, LookupError, TypeError, ValueError):
        code = getattr(error, "code", None)
        return f"{code} {type(error).__name__}" if isinstance(code, int) else type(error).__name__


def look_briefly_for_a_sign_in() -> None:
    """Where there is none, Google's library looks three times for a server that only Google's machines have."""
    os.environ.setdefault("GCE_METADATA_DETECT_RETRIES", "1")
    os.environ.setdefault("GCE_METADATA_TIMEOUT", "1")
