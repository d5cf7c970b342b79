"""Runs an exported model in Beam's RunInference. Workers import TensorFlow only here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from trainer.runtime.startup import import_tensorflow, set_arithmetic

if TYPE_CHECKING:
    from trainer.results.exported_model import ExportedModel


class DensityModel(ModelHandler[np.ndarray, PredictionResult, "ExportedModel"]):
    """(H, W) uint16 image -> PredictionResult of the image and its (K,) float32 probabilities.

    Args:
        model_dir: the folder of the model, which all workers can read.
    """

    def __init__(self, model_dir: str):
        super().__init__(max_batch_size=1)
        self._model_dir = model_dir

    def load_model(self) -> "ExportedModel":
        """Loads the SavedModel; RunInference calls it once in a process."""
        import_tensorflow()
        set_arithmetic(tensor_float_32=False, deterministic=False)
        from trainer.results.exported_model import load_export

        return load_export(self._model_dir)

    def run_inference(
        self,
        batch: Sequence[np.ndarray],
        model: "ExportedModel",
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[PredictionResult]:
        """Predicts the images of a batch, which is one image."""
        del inference_args
        probabilities = model.probabilities(np.stack(batch)[..., None])
        return [PredictionResult(image, found) for image, found in zip(batch, probabilities, strict=True)]
