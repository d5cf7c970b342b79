"""The networks that `--network` names, and what the training loop needs of each."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from trainer.data.image_set import Statistics
from trainer.network import residual, tutorial
from trainer.settings import RESIDUAL, TUTORIAL, Settings

TrainingLogits = Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]
"""((b, H, W, 1) float32 raw pixels, (b,) int64 positions in the stream of training images) -> (b, K) float32 logits of
each network of the model.

Dropout depends on the seed and the positions only.
"""


@dataclass(frozen=True)
class Network:
    """One network.

    Attributes:
        build: (settings, statistics of the training set, precision) -> a model from raw pixels to logits.
        training_logits: (model, settings) -> the function that computes the logits in training.
    """

    build: Callable[[Settings, Statistics, str], keras.Model]
    training_logits: Callable[[keras.Model, Settings], TrainingLogits]


NETWORKS = {
    RESIDUAL: Network(residual.build, residual.training_logits),
    TUTORIAL: Network(tutorial.build, tutorial.training_logits),
}
