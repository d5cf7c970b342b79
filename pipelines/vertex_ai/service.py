"""Vertex AI's custom jobs and their logs, by Google's own clients; every failure is one line."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import responses

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, ServerError, TooManyRequests
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.cloud.aiplatform_v1.services.job_service.transports import JobServiceRestTransport
from google.cloud.aiplatform_v1.types import CustomJob, JobState
from requests import RequestException

from preprocess.files.google_errors import credential_error, limit_credential_search
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log

ENDED = {
    JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED, JobState.JOB_STATE_EXPIRED,
}  # fmt: skip
REQUEST_SECONDS = 60.0
_PATIENT = Retry(
    if_exception_type(ServerError, TooManyRequests, RequestException), initial=0.5, maximum=30.0, timeout=600.0
)
"""For the looks at a job that is waited for: hours must not end with one answer that failed."""


class Jobs:
    """The custom jobs of a project in a region.

    Args:
        endpoint: where the service answers; empty for Google's own address in the region.
    """

    def __init__(self, project: str, region: str, endpoint: str = ""):
        self._project, self._region = project, region
        scheme, _, host = (endpoint or f"https://{region}-aiplatform.googleapis.com").rpartition("://")
        limit_credential_search()
        with _answers("Vertex AI"):
            transport = JobServiceRestTransport(host=host, url_scheme=scheme or "https")
        self._client = JobServiceClient(transport=transport)

    def create(self, job: CustomJob) -> CustomJob:
        parent = f"projects/{self._project}/locations/{self._region}"
        with _answers(parent):
            return self._client.create_custom_job(parent=parent, custom_job=job, timeout=REQUEST_SECONDS)

    def get(self, name: str, retry: Retry | None = None) -> CustomJob:
        """A job by its name, or by its number alone."""
        with _answers(name):
            return self._client.get_custom_job(name=self.full_name(name), retry=retry, timeout=REQUEST_SECONDS)

    def cancel(self, name: str) -> None:
        with _answers(name):
            self._client.cancel_custom_job(name=self.full_name(name), timeout=REQUEST_SECONDS)

    def full_name(self, name: str) -> str:
        return name if "/" in name else f"projects/{self._project}/locations/{self._region}/customJobs/{name}"

    def wait(self, name: str, poll_seconds: float, log: Log) -> None:
        """Waits until a job has ended, and says every change of its state.

        Raises:
            RunFailed: it did not succeed.
        """
        state = None
        while True:
            job = self.get(name, _PATIENT)
            if job.state != state:
                state = job.state
                log.info(f"{name}: {word(job)}")
            if state in ENDED:
                break
            try:
                time.sleep(poll_seconds)
            except KeyboardInterrupt:
                log.warning(
                    f"{name} goes on; `python -m pipelines.vertex cancel` stops it, and must before another begins"
                )
                raise
        if state != JobState.JOB_STATE_SUCCEEDED:
            raise RunFailed(f"{name}: {word(job)}: {job.error.message or 'without a word'}; see its logs")


def read_log(project: str, number: str, endpoint: str = "") -> Iterator[str]:
    """What a job has written so far, oldest first, a line an entry."""
    from google.cloud import logging

    limit_credential_search()
    with _answers(f"the logs of job {number}"):
        client = logging.Client(project=project, client_options={"api_endpoint": endpoint} if endpoint else None,
                                _use_grpc=False)  # fmt: skip
        wanted = f'resource.type="ml_job" resource.labels.job_id="{number}"'
        for entry in client.list_entries(filter_=wanted, order_by=logging.ASCENDING, page_size=1000):
            error_message = entry.payload.get("message", "") if isinstance(entry.payload, dict) else entry.payload
            yield f"{entry.timestamp:%Y-%m-%d %H:%M:%S} {entry.severity or 'DEFAULT':8} {str(error_message).rstrip()}"


def word(job: CustomJob) -> str:
    """A job's state, e.g. "RUNNING"."""
    return JobState(job.state).name.removeprefix("JOB_STATE_")


@contextmanager
def _answers(what: str) -> Iterator[None]:
    """Turns what a service answers into one line.

    Raises:
        InputError: there is no sign-in.
        RunFailed: the service refuses or fails.
    """
    try:
        yield
    except GoogleAuthError as error:
        raise credential_error(what, error) from error
    except GoogleAPICallError as error:
        kind = f"{error.code} {responses.get(error.code, '')}".rstrip() if error.code else type(error).__name__
        raise RunFailed(f"{what}: the service says {kind}: {_first_line(error.message)}") from error
    except (GoogleAPIError, OSError) as error:
        cause = getattr(error, "cause", None) or error  # of what was tried again in vain
        raise RunFailed(f"{what}: the service cannot be reached ({type(cause).__name__})") from error


def _first_line(text: str) -> str:
    """The service's words without the request, which the client puts before them."""
    return re.sub(r"^[A-Z]+ https?://\S+: ", "", text or "without a word").splitlines()[0]
