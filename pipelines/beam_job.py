"""The Beam job under way: waited for, cancelled when its main program is told to end, every failure one line."""

import logging
import re
import signal
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

from pipelines import runners
from pipelines.quiet import held_back
from preprocess.errors import InputError, RunFailed
from preprocess.stores.google_answers import said

_LOG = logging.getLogger("apache_beam.threads")
_WORKER_THREAD = "run_worker"  # Beam's name for the thread that waits for a worker process of the local runner
_EXIT_CODE = re.compile(r"exited with return code (-?\d+)")
_STEP = re.compile(r" \[while running '[^']*'\]")
_OWN = re.compile(r"preprocess\.errors\.(InputError|RunFailed): (.*)")
_CHANNEL_CLOSED = "Channel closed prematurely"
_CONNECT_SECONDS = 5.0


def run_job(pipeline: beam.Pipeline, options: PipelineOptions) -> None:
    """Runs a job and waits for it.

    It runs in a thread of its own: the local runner waits without end for a worker that was killed. When this process
    is interrupted, a job elsewhere is cancelled.

    Raises:
        InputError: the job cannot be sent.
        RunFailed: it failed.
    """
    _check_endpoint(options)
    begun: list[PipelineResult] = []

    def work() -> str:
        begun.append(pipeline.run())
        return begun[0].wait_until_finish()

    thread = ThreadPoolExecutor(1, "job")
    with held_back(runners.is_local(options)) as show, _worker_lost() as lost:
        job = thread.submit(work)
        thread.shutdown(wait=False)
        try:
            wait({job, lost}, return_when=FIRST_COMPLETED)
            with one_line(options):
                state = (job if job.done() else lost).result()
        except KeyboardInterrupt:
            if begun and not runners.is_local(options):
                begun[0].cancel()
            raise
        except RunFailed as failed:
            if _CHANNEL_CLOSED in str(failed):
                raise _lost_worker("ended before its work did") from failed
            if isinstance(failed.__cause__, RuntimeError) and not _OWN.search(str(failed.__cause__)):
                show()  # nothing that this project foresaw: all that Beam has to say of it
            raise
    if state != PipelineState.DONE:
        raise RunFailed(f"the Beam job ended in state {state} and left no data set; its messages above say why")


@contextmanager
def one_line(options: PipelineOptions) -> Iterator[None]:
    """Turns what Beam raises of a job into errors of one line.

    Raises:
        InputError, RunFailed: see `run_job`.
    """
    try:
        yield
    except (InputError, RunFailed) as error:  # of a worker in this process
        raise type(error)(_STEP.sub("", str(error))) from error
    except (GoogleAPIError, RpcError) as error:
        raise RunFailed(f"the service refuses the job or cannot be reached: {said(error)}") from error
    except ValueError as error:  # Beam's word for options that do not fit together
        if runners.is_local(options):
            raise  # it may be of a worker in this process, and nobody foresaw it
        raise InputError(f"Beam does not take the job: {' '.join(str(error).split())}") from error
    except runners.failures(options) as error:
        last = _STEP.sub("", (str(error).strip() or type(error).__name__).splitlines()[-1])
        if own := _OWN.search(last):
            raise (InputError if own[1] == "InputError" else RunFailed)(own[2]) from error
        raise RunFailed(f"the Beam job failed and left no data set: {last}") from error


def _check_endpoint(options: PipelineOptions) -> None:
    """Beam would wait for minutes for a job server that is not there."""
    endpoint = options.view_as(PortableOptions).job_endpoint or "embed"
    if endpoint != "embed" and not runners.is_local(options):
        host, _, port = endpoint.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise InputError(f"--job_endpoint {endpoint}: no job server answers there ({error}); start one") from error


@contextmanager
def _worker_lost() -> Iterator[Future]:
    """Yields what fails when a worker process of the local runner dies; Beam itself notices only now and then.

    What else ends a thread of Beam's is logged as Beam's: where a worker was killed, those that spoke with it end, too.
    """
    lost: Future = Future()
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else ""
        code = _EXIT_CODE.search(str(args.exc_value))
        if not code or name != _WORKER_THREAD:
            _LOG.error("thread %s", name, exc_info=args.exc_value)
        elif not lost.done():
            status = int(code[1])
            number = status - 128 if status > 128 else -status  # there may be a shell between
            killed = number in signal.valid_signals()
            how = f"was killed by {signal.Signals(number).name}" if killed else f"ended with status {status}"
            lost.set_exception(_lost_worker(how))

    threading.excepthook = hook
    yield lost
    threading.excepthook = before  # not after a failure: threads go on ending while the process does


def _lost_worker(how: str) -> RunFailed:
    return RunFailed(f"a worker process {how}, perhaps for want of memory; the same command goes on from what is there")
