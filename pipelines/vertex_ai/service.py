"""Creates, watches and cancels jobs of Vertex AI, and reads their logs, with Google's client libraries."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import responses
from typing import TypeAlias

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, ServerError, TooManyRequests
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.cloud.aiplatform_v1.services.job_service.transports import JobServiceRestTransport
from google.cloud.aiplatform_v1.types import BatchPredictionJob, CustomJob, HyperparameterTuningJob, JobState
from requests import RequestException

from preprocess.files.google_errors import configure_google_client, credential_error
from preprocess.runtime.errors import InputError, RunFailed
from preprocess.runtime.log import Log

Job: TypeAlias = CustomJob | HyperparameterTuningJob | BatchPredictionJob
_KINDS = {
    "customJobs": "custom_job",
    "hyperparameterTuningJobs": "hyperparameter_tuning_job",
    "batchPredictionJobs": "batch_prediction_job",
}
"""The part of a job's name before its number -> the part of the client's methods for it."""
_METHODS = {CustomJob: "custom_job", HyperparameterTuningJob: "hyperparameter_tuning_job",
            BatchPredictionJob: "batch_prediction_job"}  # fmt: skip
ENDED = {
    JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED, JobState.JOB_STATE_EXPIRED,
}  # fmt: skip
REQUEST_SECONDS = 60.0
_POLL_RETRY = Retry(
    if_exception_type(ServerError, TooManyRequests, RequestException), initial=0.5, maximum=30.0, timeout=600.0
)
"""For the requests of `Jobs.wait`: a failed request must not end a wait of hours."""


class Jobs:
    """The jobs of a project in a region. All methods raise the errors of `translate_errors`.

    A job is named by its whole name; a training also by its number.

    Args:
        endpoint: address of the service; empty for Google's in the region.
    """

    def __init__(self, project: str, region: str, endpoint: str = ""):
        self._parent = parent_of(project, region)
        with translate_errors("Vertex AI"):
            self._client = JobServiceClient(transport=JobServiceRestTransport(**address(region, endpoint)))

    def create(self, job: Job) -> str:
        """Creates a job; returns its name."""
        method = _METHODS[type(job)]
        with translate_errors(self._parent):
            create = getattr(self._client, f"create_{method}")
            return create(parent=self._parent, **{method: job}, timeout=REQUEST_SECONDS).name

    def get(self, name: str, retry: Retry | None = None) -> Job:
        full_name = self.full_name(name)
        with translate_errors(name):
            return getattr(self._client, f"get_{_kind(full_name)}")(
                name=full_name, retry=retry, timeout=REQUEST_SECONDS
            )

    def cancel(self, name: str) -> None:
        full_name = self.full_name(name)
        with translate_errors(name):
            getattr(self._client, f"cancel_{_kind(full_name)}")(name=full_name, timeout=REQUEST_SECONDS)

    def full_name(self, name: str) -> str:
        return name if "/" in name else f"{self._parent}/customJobs/{name}"

    def wait(self, name: str, poll_seconds: float, log: Log) -> None:
        """Waits until a job has ended, and prints every change of its state.

        Raises:
            RunFailed: it did not succeed.
        """
        state = None
        while True:
            job = self.get(name, _POLL_RETRY)
            if job.state != state:
                state = job.state
                log.info(f"{name}: {state_name(job)}")
            if state in ENDED:
                break
            try:
                time.sleep(poll_seconds)
            except KeyboardInterrupt:
                log.warning(
                    f"{name} continues; stop it with `python -m pipelines.vertex cancel` before you start another"
                )
                raise
        if state != JobState.JOB_STATE_SUCCEEDED:
            raise RunFailed(f"{name}: {state_name(job)}: {job.error.message or 'no error message'}; see its logs")


def parent_of(project: str, region: str) -> str:
    """Returns the name of a region of a project, which contains all jobs and models."""
    return f"projects/{project}/locations/{region}"


def address(region: str, endpoint: str) -> dict[str, str]:
    """Returns the arguments with which a client's transport finds the service."""
    configure_google_client()
    scheme, _, host = (endpoint or f"https://{region}-aiplatform.googleapis.com").rpartition("://")
    return {"host": host, "url_scheme": scheme or "https"}


def _kind(name: str) -> str:
    """Returns the part of the client's methods for a job.

    Raises:
        InputError: the name has another form.
    """
    kind = name.split("/")[-2]
    if kind not in _KINDS:
        raise InputError(f"{name}: is not the name of a job; expected .../NUMBER with one of {', '.join(_KINDS)}")
    return _KINDS[kind]


def read_log(project: str, number: str, endpoint: str = "") -> Iterator[str]:
    """Yields the log entries of a job so far, the oldest first, as lines of text."""
    from google.cloud import logging

    configure_google_client()
    with translate_errors(f"the logs of job {number}"):
        client = logging.Client(project=project, client_options={"api_endpoint": endpoint} if endpoint else None,
                                _use_grpc=False)  # fmt: skip
        wanted = f'resource.type="ml_job" resource.labels.job_id="{number}"'
        for entry in client.list_entries(filter_=wanted, order_by=logging.ASCENDING, page_size=1000):
            message = entry.payload.get("message", "") if isinstance(entry.payload, dict) else entry.payload
            yield f"{entry.timestamp:%Y-%m-%d %H:%M:%S} {entry.severity or 'DEFAULT':8} {str(message).rstrip()}"


def state_name(job: Job) -> str:
    """Returns the state of a job, e.g. "RUNNING"."""
    return JobState(job.state).name.removeprefix("JOB_STATE_")


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Converts the exceptions of Google's client libraries to errors of one line.

    Args:
        what: the subject of the request, for messages.

    Raises:
        InputError: there are no valid credentials.
        RunFailed: the service refuses the request, fails, or cannot be reached.
    """
    try:
        yield
    except GoogleAuthError as error:
        raise credential_error(what, error) from error
    except GoogleAPICallError as error:
        kind = f"{error.code} {responses.get(error.code, '')}".rstrip() if error.code else type(error).__name__
        raise RunFailed(f"{what}: the service answers {kind}: {_first_line(error.message)}") from error
    except (GoogleAPIError, OSError) as error:
        cause = getattr(error, "cause", None) or error  # the last error before the retries ended
        raise RunFailed(f"{what}: the service cannot be reached ({type(cause).__name__})") from error


def _first_line(text: str) -> str:
    """Returns the service's message without the request, which the client library puts before it."""
    return re.sub(r"^[A-Z]+ https?://\S+: ", "", text or "no error message").splitlines()[0]
