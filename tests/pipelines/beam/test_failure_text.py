"""The cause in messages of failed jobs. The forms are those of Dataflow messages in public issues."""

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException

from pipelines.beam.run_job import beam_errors
from preprocess.runtime.errors import InputError, RunFailed

FAILED = "Dataflow pipeline failed. State: FAILED, Error:\n"
FRAMES = """Traceback (most recent call last):
  File "/usr/local/lib/python3.12/site-packages/apache_beam/runners/worker/sdk_worker.py", line 313, in _execute
    response = task()
               ^^^^^^
  File "apache_beam/runners/common.py", line 1495, in apache_beam.runners.common.DoFnRunner.process
"""
DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"
STEP = " [while running 'WriteDataset/Publish-ptransform-42']"
# apache/beam#21645 shows the trailer of Runner v2
TRAILER = """

passed through:
==>
    dist_proc/dax/workflow/worker/fnapi_service_impl.cc:1340
==>
    dist_proc/dax/workflow/worker/fnapi_operators.cc:208
"""
LOST = "gs://b/out: another run has taken it over while this one was suspended; wait until it has ended"
OWN = f"preprocess.runtime.errors.RunFailed: {LOST}"
CREDENTIALS = "gs://b/in: no valid credentials for Google Cloud (RefreshError); run `gcloud auth login`"
# apache/beam#19306, tensorflow/datasets#1473: the workers of a job whose work item failed four times
ATTEMPTS = (
    "Workflow failed. Causes: S08:PrepareImages/PadAndResize failed., The job failed because a work item has failed 4 "
    "times. Look in previous log entries for the cause of each one of the 4 failures. For more information, see "
    "https://cloud.google.com/dataflow/docs/guides/common-errors. The work item was attempted on these workers: \n"
    "\n  beamapp-root-0131-bwg6-harness-mk83\n      Root cause: {0}\n\n  beamapp-root-0131-bwg6-harness-zhv4\n"
    "      Root cause: {0}\n"
)
CHECK = """Check failed: absl::OkStatus() == ::dist_proc::dax::PrintableStatus(status) (OK vs. \
generic::failed_precondition: PaneInfo truncated
passed through:
==>
    dist_proc/dax/workflow/worker/io/fnapi_coders.cc:122
==>
    dist_proc/dax/workflow/worker/io/fnapi_coders.cc:1590)
"""
# google-research/text-to-text-transfer-transformer#986
STUCK = (
    "Workflow failed. Causes: The Dataflow job appears to be stuck because no worker activity has been seen in the "
    "last 1h. Please check the worker logs in Stackdriver Logging."
)
DISCONNECTED = "SDK harness sdk-0-0 disconnected."


def raised(message):
    """Returns the error to which the exception of Beam's Dataflow runner with this message is converted."""
    with pytest.raises((InputError, RunFailed)) as caught, beam_errors(PipelineOptions(["--runner=DataflowRunner"])):
        raise DataflowRuntimeException(FAILED + message, None)
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize("message", [
    FRAMES + OWN + STEP,
    FRAMES + OWN + STEP + TRAILER,
    FRAMES + OWN + DURING + FRAMES + OWN + STEP + TRAILER,
    "generic::unknown: " + FRAMES + OWN + STEP + TRAILER,  # apache/beam#34675
    "Error message from worker: generic::unknown: " + FRAMES + OWN + STEP + TRAILER,
    FRAMES + "OSError: [Errno 28] No space left on device\n" + DURING + FRAMES + OWN + STEP + TRAILER,
    ATTEMPTS.format(OWN + STEP),
    ATTEMPTS.format(OWN + STEP + ","),
    ATTEMPTS.format("generic::unknown: " + (FRAMES + OWN + STEP).replace("\n", "\n      ")),
])  # fmt: skip
def test_an_error_of_this_project_is_found_in_any_line(message):
    assert raised(message) == (RunFailed, LOST)


def test_an_error_of_the_input_keeps_its_exit_status():
    message = f"{FRAMES}preprocess.runtime.errors.InputError: {CREDENTIALS}{STEP}{TRAILER}"
    assert raised(message) == (InputError, CREDENTIALS)


@pytest.mark.parametrize(("message", "cause"), [
    (FRAMES + "ZeroDivisionError: division by zero" + STEP + TRAILER, "ZeroDivisionError: division by zero"),
    (FRAMES + "KeyError: 1\n" + DURING + FRAMES + "ValueError: first line\nsecond line" + TRAILER,
     "ValueError: first line"),
    ("generic::unknown: " + FRAMES + "MemoryError" + STEP + TRAILER, "MemoryError"),
    (ATTEMPTS.format("The worker lost contact with the service.,"),
     "Root cause: The worker lost contact with the service.,"),
    (ATTEMPTS.format((FRAMES + "MemoryError").replace("\n", "\n      ")), "MemoryError"),
    (STUCK, STUCK),
    (DISCONNECTED + TRAILER, DISCONNECTED),
    (CHECK, CHECK.partition("\n")[0]),
    ("None", "None"),
])  # fmt: skip
def test_the_line_that_says_why_another_job_failed(message, cause):
    assert raised(message) == (RunFailed, f"the Beam job failed and left no result: {cause}")
