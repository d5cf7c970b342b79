"""Exports the trained model as a Keras file and as a SavedModel. Loading them does not require this project."""

from collections.abc import Callable

import keras
import tensorflow as tf

from trainer.model_dir.folder import EXPORT_FOLDER, KERAS_FILE, ModelDir
from trainer.model_dir.writing import atomic_replace
from trainer.results.model_info import INFO_FILE, ModelInfo


def export(
    model: keras.Model, temperature: float, strategy: tf.distribute.Strategy, info: ModelInfo, model_dir: ModelDir,
    check_stop: Callable[[], None],
) -> None:  # fmt: skip
    """Writes `model.keras` and `export/`, which contains the SavedModel and `model.json`.

    Both take `pixels`, (N, H, W, 1) float32, raw values from 0 to 65535. The Keras model returns the probabilities,
    (N, categories) float32. The signature of the SavedModel has the names of the tutorial's predictions: it returns
    `classes`, (N,) int64, the labels, and `probabilities`.

    Args:
        model: from raw pixels to logits.
        temperature: by which the logits are divided.
        strategy: the strategy in whose scope the model was created.
        info: the content of `model.json`.
        check_stop: called after each of the two is written; its exceptions are passed on.

    Raises:
        RunFailed: they cannot be written.
    """
    plain = model if strategy is tf.distribute.get_strategy() else _with_plain_variables(model)
    logits = plain.output
    if temperature != 1.0:
        logits = keras.layers.Rescaling(1.0 / temperature, dtype="float32", name="temperature")(logits)
    probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(logits)
    exported = keras.Model(plain.inputs, probabilities, name="density")
    with atomic_replace(model_dir.local / KERAS_FILE) as path:
        exported.save(path)
    check_stop()

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec([None, *plain.input_shape[1:]], tf.float32, name="pixels")]
    )
    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        found = exported(pixels, training=False)
        return {"classes": tf.argmax(found, axis=1), "probabilities": found}

    with atomic_replace(model_dir.local / EXPORT_FOLDER) as path:
        tf.saved_model.save(exported, str(path), signatures={"serving_default": serve})
        (path / INFO_FILE).write_text(info.as_json())
    check_stop()


def _with_plain_variables(model: keras.Model) -> keras.Model:
    """Returns a copy of a model with one plain variable for each variable that is distributed over replicas."""
    plain = keras.Model.from_config(model.get_config())
    for own, trained in zip(plain.variables, model.variables, strict=True):
        own.assign(trained)  # stays within TensorFlow; `set_weights` copies through NumPy, which took a second
    return plain
