"""Exports the trained model: SavedModel, Keras file, LiteRT file. Loading them does not require this project."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from trainer.model_dir.folder import EXPORT_FOLDER, KERAS_FILE, LITERT_FILE, ModelDir
from trainer.model_dir.writing import atomic_replace, write_errors
from trainer.results.model_info import INFO_FILE, ModelInfo
from trainer.results.serve_films import make_serve_films
from trainer.settings import KERAS, LITERT


def export(
    model: keras.Model, info: ModelInfo, strategy: tf.distribute.Strategy, model_dir: ModelDir,
    formats: Sequence[str], check_stop: Callable[[], None],
) -> None:  # fmt: skip
    """Writes `export/`, and `model.keras` and `model.tflite` if requested; otherwise deletes an older one.

    `export/` contains the SavedModel and `model.json`. All models take `pixels`, (N, H, W, 1) float32, raw values from
    0 to 65535. The Keras and the LiteRT model return the probabilities, (N, categories) float32. The signature of the
    SavedModel has the names of the tutorial's predictions: it returns `classes`, (N,) int64, the labels, and
    `probabilities`. If the canvas is known, the SavedModel also has the signature `serve_films`, which takes a whole
    film, see `serve_films`.

    Args:
        model: from raw pixels to logits.
        info: about the model: the temperature by which the logits are divided, the canvas and the method of the images.
        strategy: the strategy in whose scope the model was created.
        formats: "keras", "litert"; the SavedModel is always written.
        check_stop: called after each of them is written; its exceptions are passed on.

    Raises:
        RunFailed: they cannot be written.
    """
    plain = model if strategy is tf.distribute.get_strategy() else _with_plain_variables(model)
    logits = plain.output
    if info.temperature != 1.0:
        logits = keras.layers.Rescaling(1.0 / info.temperature, dtype="float32", name="temperature")(logits)
    probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(logits)
    exported = keras.Model(plain.inputs, probabilities, name="density")
    files = {
        KERAS_FILE: (KERAS in formats, exported.save),
        LITERT_FILE: (LITERT in formats, lambda path: exported.export(path, format="litert", verbose=False)),
    }
    for name, (is_wanted, write) in files.items():
        if not is_wanted:
            with write_errors(model_dir.local / name):
                model_dir.discard(name)
            continue
        with atomic_replace(model_dir.local / name) as path:
            write(path)
        check_stop()
    with atomic_replace(model_dir.local / EXPORT_FOLDER) as path:
        _write_saved_model(exported, info, path)
        (path / INFO_FILE).write_text(info.as_json({"keras": keras.__version__, "tensorflow": tf.__version__}))
    check_stop()


def _write_saved_model(exported: keras.Model, info: ModelInfo, path: Path) -> None:
    @tf.function(autograph=False, input_signature=[tf.TensorSpec(exported.input_shape, tf.float32, name="pixels")])
    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        found = exported(pixels, training=False)
        return {"classes": tf.argmax(found, axis=1), "probabilities": found}

    signatures = {"serving_default": serve}
    if made := info.preparation:
        signatures["serve_films"] = make_serve_films(exported, made.canvas, info.size, made.resample)
    tf.saved_model.save(exported, str(path), signatures=signatures)


def _with_plain_variables(model: keras.Model) -> keras.Model:
    """Returns a copy of a model with one plain variable for each variable that is distributed over replicas."""
    plain = keras.Model.from_config(model.get_config())
    for own, trained in zip(plain.variables, model.variables, strict=True):
        own.assign(trained)  # stays within TensorFlow; `set_weights` copies through NumPy, which took a second
    return plain
