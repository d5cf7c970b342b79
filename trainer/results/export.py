"""Exports the trained model as a Keras file and as a SavedModel. Loading them does not require this project."""

from collections.abc import Callable

import keras
import tensorflow as tf

from trainer.model_dir.folder import EXPORT_FOLDER, KERAS_FILE, ModelDir
from trainer.model_dir.writing import atomic_replace


def export(
    model: keras.Model, strategy: tf.distribute.Strategy, model_dir: ModelDir, check_stop: Callable[[], None]
) -> None:
    """Writes `model.keras` and `export/`.

    The signature of the SavedModel has the names of the tutorial's predictions. Its input is `pixels`, (N, H, W, 1)
    float32, raw values from 0 to 65535. Its outputs are `classes`, (N,) int64, the labels, and `probabilities`,
    (N, categories) float32.

    Args:
        strategy: the strategy in whose scope the model was created.
        check_stop: called after each of the two is written; its exceptions are passed on.

    Raises:
        RunFailed: they cannot be written.
    """
    plain = model if strategy is tf.distribute.get_strategy() else _with_plain_variables(model)
    with atomic_replace(model_dir.local / KERAS_FILE) as path:
        plain.save(path)
    check_stop()

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec([None, *plain.input_shape[1:]], tf.float32, name="pixels")]
    )
    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = plain(pixels, training=False)
        return {"classes": tf.argmax(logits, axis=1), "probabilities": tf.nn.softmax(logits)}

    with atomic_replace(model_dir.local / EXPORT_FOLDER) as path:
        tf.saved_model.save(plain, str(path), signatures={"serving_default": serve})
    check_stop()


def _with_plain_variables(model: keras.Model) -> keras.Model:
    """Returns a copy of a model with one plain variable for each variable that is distributed over replicas."""
    plain = keras.Model.from_config(model.get_config())
    for own, trained in zip(plain.variables, model.variables, strict=True):
        own.assign(trained)  # stays within TensorFlow; `set_weights` copies through NumPy, which took a second
    return plain
