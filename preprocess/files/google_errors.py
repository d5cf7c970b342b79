"""Converts exceptions of Google's client libraries to one-line errors; defines what is retried, and for how long."""

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

from preprocess.runtime.errors import InputError, RunFailed

RETRY = DEFAULT_RETRY.with_delay(initial=0.5, maximum=8.0, multiplier=2.0).with_timeout(120.0)
"""Retries 408, 429, 5xx and broken connections. Every write of this project may be repeated."""
TIMEOUT = 5.0, 30.0
"""Seconds to connect, and to wait for the next bytes; well below the time for which a request is retried."""
_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_NO_OBJECT = "there is no such object"


class GenerationMismatch(Exception):
    """An object has another generation than a precondition expects."""


@contextmanager
def translate_errors(path: str, missing: str = _NO_OBJECT) -> Iterator[None]:
    """Converts the errors of a request about `path`.

    Args:
        missing: the message for a "not found" answer.

    Raises:
        FileNotFoundError, PermissionError: about this path.
        GenerationMismatch: a precondition failed.
        InputError: there are no valid credentials, or the service does not accept the request.
        RunFailed: the service did not answer, or answered with an error, until the retries ended.
    """
    try:
        yield
    except PreconditionFailed as error:
        raise GenerationMismatch from error
    except (NotFound, RequestRangeNotSatisfiable) as error:
        raise FileNotFoundError(errno.ENOENT, missing, path) from error
    except (Forbidden, Unauthorized) as error:
        raise PermissionError(errno.EACCES, error_message(error), path) from error
    except GoogleAuthError as error:
        raise credential_error(path, error) from error
    except ClientError as error:
        if error.code not in _TRANSIENT:
            raise InputError(f"{path}: Google Cloud Storage does not accept this ({error_message(error)})") from error
        raise _failed(path, error) from error
    except (GoogleAPIError, RequestException, DataCorruption) as error:
        raise _failed(path, error) from error


def _failed(path: str, error: Exception) -> RunFailed:
    return RunFailed(
        f"{path}: Google Cloud Storage failed ({error_message(error)}); transient errors were retried for up to "
        f"{RETRY.timeout:.0f} s; run the same command later"
    )


def credential_error(what: str, error: GoogleAuthError) -> InputError:
    """Returns the error for missing, invalid or expired credentials."""
    return InputError(
        f"{what}: no valid credentials for Google Cloud ({type(error).__name__}); run `gcloud auth "
        f"application-default login`, or name a key file in GOOGLE_APPLICATION_CREDENTIALS"
    )


def error_message(error: Exception) -> str:
    """Returns the first line of a service's message, or the kind of error if it sent none."""
    if isinstance(error, RetryError) and error.cause:
        return error_message(error.cause)
    try:
        message = error.response.json()["error"]["message"]  # type: ignore[attr-defined]
        return message.splitlines()[0]
    except (AttributeError, LookupError, TypeError, ValueError):
        code = getattr(error, "code", None)
        return f"{code} {type(error).__name__}" if isinstance(code, int) else type(error).__name__


def configure_google_client() -> None:
    """Stops Google's library from asking for the metadata of the bucket, for traces, beside almost every request.

    It does so for every bucket whose metadata are not public.
    """
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
