"""The folder of a model: its checkpoints, tables and exports; local, or a copy of one in gs://.

DIR/training.json           what the checkpoints belong to
DIR/ckpt-<step>.*           the last two checkpoints, and `checkpoint`, which names them, see `checkpoint_files`
DIR/history.csv             a row a step, and speed.csv, a row every 50
DIR/metrics.json            the last evaluation, and predictions.csv, a row an image
DIR/tensorboard/            scalars and images; on Vertex AI they go to DIR/logs instead
DIR/model.keras, DIR/export/
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from preprocess.files import storage
from preprocess.files.lock import check, locked
from trainer.data.sources import input_errors

IDENTITY_FILE, HISTORY_FILE, METRICS_FILE = "training.json", "history.csv", "metrics.json"
SPEED_FILE = "speed.csv"
HISTORY_COLUMNS = ("step", "loss", "accuracy", "learning_rate")
SPEED_COLUMNS = ("step", "steps_per_second", "images_per_second", "device")
PREDICTIONS_FILE, KERAS_FILE, EXPORT_FOLDER, BOARD_FOLDER = "predictions.csv", "model.keras", "export", "tensorboard"
CHECKPOINT_INDEX = "checkpoint"
STREAM_VARIABLE = "AIP_TENSORBOARD_LOG_DIR"  # Vertex AI sets it to DIR/logs, which a TensorBoard instance can be shown
UNFINISHED = ".unfinished-"  # begins the name of what is not whole yet
_NEEDED = (IDENTITY_FILE, HISTORY_FILE, SPEED_FILE, CHECKPOINT_INDEX)  # of a copy: what a run goes on from, and:
_NEEDED_BEGINNINGS = ("ckpt-", f"{UNFINISHED}ckpt-")


class ModelDir:
    """Files are read and written in `local`; `publish` brings what changed to where the user wants it.

    Attributes:
        path: what the user named.
        local: the same folder, or for gs:// a temporary copy of what a run needs of it.
    """

    def __init__(self, path: str, local: Path, lock: str = ""):
        self.path, self.local, self._lock = path, local, lock
        self._published: dict[str, tuple[int, int]] = {}

    def upload_changes(self) -> None:
        """Uploads every file that is new or has changed; deletes what is gone.

        A checkpoint is marked as unfinished, as on a disk, until the last of its files, the index, is there.
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
                pass  # the error of a thread is raised here
        storage.delete((*marks, *(self._target(name) for name in self._published.keys() - present.keys())))
        self._published = present

    def _upload(self, name: str) -> None:
        storage.upload(str(self.local / name), self._target(name))

    def _target(self, name: str) -> str:
        stream = os.environ.get(STREAM_VARIABLE)
        if stream and name.startswith(f"{BOARD_FOLDER}/"):
            return storage.join(stream, name.removeprefix(f"{BOARD_FOLDER}/"))
        return storage.join(self.path, name)

    def fetch(self) -> None:
        """Downloads what a run goes on from.

        Of a local folder, which the chief is using, only what is needed is looked at: the rest may be gone meanwhile.
        """
        if storage.is_local(self.path):
            found = sorted(os.listdir(self.path)) if os.path.isdir(self.path) else []
            for name in filter(_is_needed, found):
                if os.path.isdir(storage.join(self.path, name)):
                    (self.local / name).mkdir()  # a mark: what is in it is of no use
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
    """A model's folder; workers other than the chief get a temporary copy, which nobody keeps.

    Raises:
        InputError: it cannot be made, read or written to, or another run is writing there.
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
    """What a file in a model's folder holds.

    Raises:
        InputError: the system does not let it be read.
    """
    with input_errors(str(path), "cannot be read", "; see to it, or choose another --model_dir"):
        return path.read_bytes()


def _is_needed(name: str) -> bool:
    return name in _NEEDED or name.startswith(_NEEDED_BEGINNINGS)


def _is_index(name: str) -> bool:
    return name.startswith("ckpt-") and name.endswith(".index")


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
