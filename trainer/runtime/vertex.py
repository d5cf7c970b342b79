"""Reports a metric of a training to Vertex AI, and names the environment variables that Vertex AI sets.

AIP_MODEL_DIR            the SavedModel is written to its root, where Vertex AI looks for it; default of --model_dir
AIP_TENSORBOARD_LOG_DIR  the files for TensorBoard are written there
AIP_CHECKPOINT_DIR       not used: a checkpoint is valid only with training.json, the tables and the lock of --model_dir
CLOUD_ML_TRIAL_ID        number of the trial, in a search for hyperparameters
CLOUD_ML_HP_METRIC_FILE  the file for the metric of the trial
"""

import json
import os
import time
from pathlib import Path

MODEL_DIR_VARIABLE, STREAM_VARIABLE = "AIP_MODEL_DIR", "AIP_TENSORBOARD_LOG_DIR"
TRIAL_VARIABLE, METRIC_FILE_VARIABLE = "CLOUD_ML_TRIAL_ID", "CLOUD_ML_HP_METRIC_FILE"
_METRIC_FILE = "/tmp/hypertune/output.metrics"


def report_metric(name: str, value: float, step: int) -> None:
    """Appends a line to the file that Vertex AI reads in a search for hyperparameters.

    The line is that of Google's package cloudml-hypertune 0.1.0.dev6.

    Args:
        name: of the metric, as in the job.
        step: of the training, to which the value belongs.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(os.environ.get(METRIC_FILE_VARIABLE, _METRIC_FILE))
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {
        "timestamp": time.time(),
        "trial": os.environ.get(TRIAL_VARIABLE, "0"),
        name: str(float(value)),
        "global_step": str(step),
        "checkpoint_path": "",
    }
    with path.open("a") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")
