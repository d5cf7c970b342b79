"""Loads the SavedModel of a model folder and predicts images with it. The network's code is not needed."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from preprocess.files import storage
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.data.sources import input_errors
from trainer.model_dir.folder import EXPORT_FOLDER
from trainer.model_dir.writing import first_line
from trainer.results.evaluation import Predictions


class ExportedModel:
    """A loaded SavedModel, which predicts images.

    Its signature takes `pixels`, (N, H, W, 1) float32, and returns `probabilities`, (N, categories) float32.

    Images are predicted one at a time. In a batch, the last bits of a probability depend on the position of the image,
    on processors with AVX2: the kernels compute the last rows of a product in another way.
    """

    def __init__(self, path: str):
        self._model = tf.saved_model.load(path)  # the signature alone would not keep its variables
        self._signature = self._model.signatures["serving_default"]

    def predict(self, pixels: np.ndarray, log: Log) -> Predictions:
        """Predicts images.

        Args:
            pixels: (N, H, W, 1) uint16.

        Returns:
            The probabilities, and as logits their logarithms.
        """
        probabilities = self.probabilities(pixels, log)
        return Predictions(np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)), probabilities)

    def probabilities(self, pixels: np.ndarray, log: Log | None = None) -> np.ndarray:
        """Returns the probabilities of (N, H, W, 1) uint16 images, N > 0: (N, categories) float32.

        Args:
            log: shows the progress, if given.
        """
        images: Iterable[np.ndarray] = log.track(pixels, len(pixels), "evaluating") if log else pixels
        return np.concatenate([self._predict(image) for image in images])

    def _predict(self, image: np.ndarray) -> np.ndarray:
        return self._signature(pixels=tf.constant(image[None], tf.float32))["probabilities"].numpy()


def load_export(model_dir: str) -> ExportedModel:
    """Loads the SavedModel of a model's folder.

    Args:
        model_dir: a local path or gs://.

    Raises:
        InputError: there is none, or it cannot be loaded.
    """
    folder = storage.join(storage.absolute(model_dir), EXPORT_FOLDER)
    with _local_copy(folder) as path:
        try:
            return ExportedModel(path)
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise InputError(
                f"{folder}: contains no exported model that can be loaded ({first_line(error)}); name the --model_dir "
                f"of a finished training"
            ) from error


@contextmanager
def _local_copy(folder: str) -> Iterator[str]:
    """Yields a local folder with the files of a folder, which may be in gs://."""
    if storage.is_local(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="export-") as copy:
        with input_errors(folder, "cannot be read"):
            for name in storage.list_files(folder):
                target = Path(copy, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                storage.download(storage.join(folder, name), str(target))
        yield copy
