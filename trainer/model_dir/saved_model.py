"""Copies the SavedModel of a training on Vertex AI to where Vertex AI looks for it."""

import os

from preprocess.files import storage
from trainer.model_dir.folder import EXPORT_FOLDER, ModelDir
from trainer.runtime.vertex import MODEL_DIR_VARIABLE

_GRAPH_FILE = "saved_model.pb"


def copy_saved_model(model_dir: ModelDir) -> None:
    """Copies the files of `export/` to the root of AIP_MODEL_DIR, if this is set; `saved_model.pb` is copied last.

    Raises:
        OSError: the store refuses a file.
        RunFailed: the store failed until the retries ended.
    """
    target = os.environ.get(MODEL_DIR_VARIABLE)
    if not target:
        return
    source = str(model_dir.local / EXPORT_FOLDER)
    for name in sorted(storage.list_files(source), key=lambda name: (name == _GRAPH_FILE, name)):
        storage.upload(storage.join(source, name), storage.join(target, name))
