"""The folder of a model, local or in gs://. DIR is the value of `--model_dir`.

DIR/training.json           the model, training set and options of the checkpoints, see `identity`
DIR/ckpt-<step>.*           the last two checkpoints, see `checkpoint_files`
DIR/checkpoint              their names, for TensorFlow's tools
DIR/history.csv             one row for each step
DIR/speed.csv               one row for every 50 steps
DIR/validation.csv          one row for each validation
DIR/best-<step>.weights.h5  the weights with the highest kappa of all validations
DIR/metrics.json            metrics of the last evaluation
DIR/predictions.csv         its predictions, one row for each image
DIR/tensorboard/            scalars and pictures; on Vertex AI in DIR/logs instead
DIR/model.keras             the model as a Keras file
DIR/export/                 the model as a SavedModel; on Vertex AI also in DIR/model, see `saved_model`
DIR/model.tflite            the model as a LiteRT file
DIR/model_card.md           what is known about the model, for people
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from preprocess.files import storage
from preprocess.files.lock import check, locked
from trainer.data.sources import input_errors
from trainer.runtime.vertex import STREAM_VARIABLE

IDENTITY_FILE, HISTORY_FILE, METRICS_FILE = "training.json", "history.csv", "metrics.json"
SPEED_FILE, VALIDATION_FILE = "speed.csv", "validation.csv"
VALIDATION_COLUMNS = ("step", "loss", "accuracy", "quadratic_weighted_kappa", "macro_auc")
BEST_PREFIX = "best-"
HISTORY_COLUMNS = ("step", "loss", "accuracy", "learning_rate")
SPEED_COLUMNS = ("step", "steps_per_second", "images_per_second", "device")
PREDICTIONS_FILE, CARD_FILE, BOARD_FOLDER = "predictions.csv", "model_card.md", "tensorboard"
EXPORT_FOLDER, KERAS_FILE, LITERT_FILE = "export", "model.keras", "model.tflite"
CHECKPOINT_INDEX = "checkpoint"
UNFINISHED = ".unfinished-"  # prefix of the names of incomplete files and folders
_NEEDED = (
    IDENTITY_FILE,
    HISTORY_FILE,
    SPEED_FILE,
    VALIDATION_FILE,
    CHECKPOINT_INDEX,
)  # the files that `fetch` downloads, by name
_NEEDED_PREFIXES = ("ckpt-", BEST_PREFIX, f"{UNFINISHED}ckpt-")


class ModelDir:
    """The folder of a model. Files are read and written in `local`; `upload_changes` copies them to a folder in gs://.

    Args:
        lock: the token of the folder's lock, see `preprocess.files.lock`; "" for none.

    Attributes:
        path: the folder, a local path or gs://.
        local: the same folder if it is local; for gs://, a temporary folder with copies of the files that a run needs.
    """

    def __init__(self, path: str, local: Path, lock: str = ""):
        self.path, self.local, self._lock = path, local, lock
        self._published: dict[str, tuple[int, int]] = {}

    def upload_changes(self) -> None:
        """Uploads new and changed files to gs://, and deletes there the files that were deleted in `local`.

        A checkpoint has the mark of an incomplete one, `.unfinished-ckpt-<step>`, until its last file, the index, is
        uploaded. For a local folder, nothing is done.

        Raises:
            OSError: the store refuses a file.
            RunFailed: another run has taken over the lock, or the store failed until the retries ended.
        """
        if storage.is_local(self.path):
            return
        check(self.path, self._lock)
        present = {str(path.relative_to(self.local)): _state(path) for path in self.local.rglob("*") if path.is_file()}
        changed = [name for name, state in present.items() if self._published.get(name) != state]
        indices = [name for name in changed if _is_index(name)]
        marks = [self._target(f"{UNFINISHED}{name.removesuffix('.index')}") for name in indices]
        for mark in marks:
            storage.write(mark, b"")
        last = [name for name in changed if name == CHECKPOINT_INDEX]
        for names in ([name for name in changed if name not in (*indices, *last)], indices, last):
            for _ in storage.map_items(self._upload, names, local=False):
                pass  # the iteration raises the errors of the threads
        storage.delete((*marks, *(self._target(name) for name in self._published.keys() - present.keys())))
        self._published = present

    def _upload(self, name: str) -> None:
        storage.upload(str(self.local / name), self._target(name))

    def _target(self, name: str) -> str:
        """Returns the path to which a file below `local` is uploaded."""
        stream = os.environ.get(STREAM_VARIABLE)
        if stream and name.startswith(f"{BOARD_FOLDER}/"):
            return storage.join(stream, name.removeprefix(f"{BOARD_FOLDER}/"))
        return storage.join(self.path, name)

    def discard(self, name: str) -> None:
        """Deletes a file of an earlier run, if there is one.

        Raises:
            OSError: it cannot be deleted.
        """
        (self.local / name).unlink(missing_ok=True)
        if not storage.is_local(self.path):
            storage.delete([self._target(name)])

    def fetch(self) -> None:
        """Copies the files that a run continues from to `local`.

        In a local folder, which the chief uses at the same time, other files are not accessed: they may disappear.
        """
        if storage.is_local(self.path):
            found = sorted(os.listdir(self.path)) if os.path.isdir(self.path) else []
            for name in filter(_is_needed, found):
                if os.path.isdir(storage.join(self.path, name)):
                    (self.local / name).mkdir()  # the mark of an incomplete checkpoint; its content is not used
                else:
                    self._download(name)
            return
        names = list(filter(_is_needed, storage.list_files(self.path)))
        for name in storage.map_items(self._download, names, local=False):
            self._published[name] = _state(self.local / name)

    def _download(self, name: str) -> str:
        target = self.local / name
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.download(storage.join(self.path, name), str(target))
        return name


@contextmanager
def open_model_dir(path: str, is_chief: bool = True) -> Iterator[ModelDir]:
    """Locks and opens the folder of a model while the context is open. A missing folder is created.

    Args:
        path: a local path or gs://.
        is_chief: whether this worker writes the model. Other workers take no lock and get a temporary copy, which is
            deleted at the end.

    Raises:
        InputError: the folder cannot be created, read or written to, or another run is writing there.
    """
    with locked(storage.absolute(path), "--model_dir") if is_chief else nullcontext("") as lock:
        if is_chief and storage.is_local(path):
            yield ModelDir(path, Path(path).expanduser())
            return
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            model_dir = ModelDir(path, Path(folder), lock)
            with input_errors(path, "cannot be read", "; choose another --model_dir"):
                model_dir.fetch()
            yield model_dir if is_chief else ModelDir(folder, Path(folder))


def read_file(path: Path) -> bytes:
    """Reads a file in a model's folder.

    Raises:
        InputError: it cannot be read.
    """
    with input_errors(str(path), "cannot be read", "; correct this, or choose another --model_dir"):
        return path.read_bytes()


def _is_needed(name: str) -> bool:
    return name in _NEEDED or name.startswith(_NEEDED_PREFIXES)


def _is_index(name: str) -> bool:
    return name.startswith("ckpt-") and name.endswith(".index")


def _state(path: Path) -> tuple[int, int]:
    """Returns size and time of a file; they differ if it has changed."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
