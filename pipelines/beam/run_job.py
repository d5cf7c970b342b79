"""Runs a Beam job: waits for it, cancels it on an interrupt, and converts its failures to errors of one line."""

import logging
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.runners.runner import PipelineResult, PipelineState
from google.api_core.exceptions import GoogleAPIError
from grpc import RpcError

from pipelines.beam import runners
from pipelines.beam.captured_logs import capture_beam_logs
from pipelines.beam.failure_text import last_cause, own_error, without_step
from pipelines.beam.local_workers import lost_worker
from preprocess.files.google_errors import error_message
from preprocess.runtime.errors import InputError, RunFailed

_LOG = logging.getLogger("apache_beam.threads")
_WORKER_THREAD = "run_worker"  # Beam's name of the thread that waits for a worker process of the local runner
_EXIT_CODE = re.compile(r"exited with return code (-?\d+)")
_CHANNEL_CLOSED = "Channel closed prematurely"
_CONNECT_SECONDS = 5.0
_STATUS_SECONDS = 10.0  # limit for the exit status of a worker process whose connection is closed


def run_job(pipeline: beam.Pipeline, options: PipelineOptions) -> None:
    """Runs a job and waits for it.

    The job runs in a thread, because the local runner waits forever for a worker that was killed. If this process is
    interrupted, a remote job is cancelled.

    Raises:
        InputError: the job cannot be submitted.
        RunFailed: it failed.
    """
    _check_endpoint(options)
    begun: list[PipelineResult] = []

    def work() -> str:
        begun.append(pipeline.run())
        return begun[0].wait_until_finish()

    thread = ThreadPoolExecutor(1, "job")
    with capture_beam_logs(runners.is_local(options)) as captured, _worker_status() as status:
        job = thread.submit(work)
        thread.shutdown(wait=False)
        try:
            wait({job, status}, return_when=FIRST_COMPLETED)
            if not job.done():
                raise lost_worker(status.result(), captured.last_line())
            with beam_errors(options):
                state = job.result()
        except KeyboardInterrupt:
            if begun and not runners.is_local(options):
                begun[0].cancel()
            raise
        except RunFailed as failed:
            if _CHANNEL_CLOSED in str(failed):
                wait({status}, timeout=_STATUS_SECONDS)
                known = status.result() if status.done() else None
                raise lost_worker(known, captured.last_line()) from failed
            if isinstance(failed.__cause__, RuntimeError) and own_error(str(failed.__cause__)) is None:
                captured.show()  # not an error of this project: show everything that Beam logged
            raise
    if state != PipelineState.DONE:
        raise RunFailed(f"the Beam job ended in state {state} and left no result; its messages above say why")


@contextmanager
def beam_errors(options: PipelineOptions) -> Iterator[None]:
    """Converts the exceptions of a job to errors of one line.

    Raises:
        InputError, RunFailed: see `run_job`.
    """
    try:
        yield
    except (InputError, RunFailed) as error:  # of a worker in this process
        raise type(error)(without_step(str(error)), error.details) from error
    except (GoogleAPIError, RpcError) as error:
        raise RunFailed(f"the service refuses the job or cannot be reached: {error_message(error)}") from error
    except ValueError as error:  # Beam raises it for incompatible options
        if runners.is_local(options):
            raise  # it may come from a worker in this process
        raise InputError(f"Beam does not accept the job: {' '.join(str(error).split())}") from error
    except runners.failures(options) as error:
        text = str(error)
        if own := own_error(text):
            raise own from error
        cause = last_cause(text) or type(error).__name__
        raise RunFailed(f"the Beam job failed and left no result: {cause}") from error


def _check_endpoint(options: PipelineOptions) -> None:
    """Makes sure that a job server answers; Beam would wait for it for minutes."""
    endpoint = options.view_as(PortableOptions).job_endpoint or "embed"
    if endpoint != "embed" and not runners.is_local(options):
        host, _, port = endpoint.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise InputError(f"--job_endpoint {endpoint}: no job server answers there ({error}); start one") from error


@contextmanager
def _worker_status() -> Iterator[Future]:
    """Yields a future for the exit status of the first local worker process that fails.

    Beam does not always notice that a worker ended. Other exceptions in Beam's threads are logged under Beam's name:
    those of threads that were connected to the worker.
    """
    status: Future = Future()
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else ""
        code = _EXIT_CODE.search(str(args.exc_value))
        if not code or name != _WORKER_THREAD:
            _LOG.error("thread %s", name, exc_info=args.exc_value)
        elif not status.done():
            status.set_result(int(code[1]))

    threading.excepthook = hook
    yield status
    threading.excepthook = before  # not after a failure: threads still end while the process exits
