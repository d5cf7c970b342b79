"""The trainings and evaluations of the tutorial's network that `benchmarks.training` measures."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Row, Times, side_by_side
from benchmarks.processes import in_new_process
from preprocess.contract import schema
from trainer.data.image_set import ImageSet, compute_statistics
from trainer.runtime.startup import import_tensorflow
from trainer.settings import AUTO, TUTORIAL, Settings, settings_for

if TYPE_CHECKING:
    import keras

    from trainer.loop.training import Training

STEPS = 8  # in a turn of `our_loop` and of `keras_fit`
FEW_STEPS = 3  # in a turn of a comparison within one process
IMAGES = 960


def smooth_images(count: int, seed: int = 0) -> ImageSet:
    """Returns images about as smooth as mammograms, named as by the job; brighter images have a higher label."""
    height, width = schema.IMAGE_HEIGHT, schema.IMAGE_WIDTH
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(schema.DENSITIES)
    coarse = rng.integers(0, 8000, (count, -(-height // 8), -(-width // 8))) + 12000 * labels[:, None, None]
    pixels = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width] + rng.integers(0, 500, (height, width))
    names = tuple(
        f"{label + 1}_Calc-Training_P_{5000 * seed + number:05d}_LEFT_CC" for number, label in enumerate(labels)
    )
    return ImageSet("made", names, pixels.astype(np.uint16)[..., None], labels.astype(np.int64), len(schema.DENSITIES))


def make_model(images: ImageSet, settings: Settings) -> "keras.Model":
    from trainer.network.tutorial import build_model

    return build_model(
        settings.size, settings.channels, settings.categories, compute_statistics(images.pixels), settings.dropout,
        settings.seed, settings.precision,
    )  # fmt: skip


def make_tutorial_training() -> "Training":
    """Returns a training of the tutorial's network on 960 images."""
    return make_training(smooth_images(IMAGES))


def make_training(images: ImageSet, compiled: bool = False) -> "Training":
    """Returns a training as the trainers set it up on a CPU; `compiled` adds XLA, which they do not use there."""
    import_tensorflow()
    from trainer.loop.training import Training
    from trainer.network.optimizers import make_optimizer
    from trainer.runtime.devices import find_cpu

    devices = dataclasses.replace(find_cpu(), compiled=compiled)
    settings = settings_for(TUTORIAL, model_dir="", precision=devices.resolve_precision(AUTO))
    model = make_model(images, settings)
    return Training(model, make_optimizer(model, settings), images, settings, devices, first_step=0)


def take_steps(training: "Training", steps: int) -> None:
    """Takes a number of further steps, in as many calls as a run would make."""
    for _ in training.run(training.step + steps):
        pass


def our_loop(turns: Iterator[None]) -> None:
    """Trains with the trainers' own loop, in the precision that they choose."""
    training = make_tutorial_training()
    for _ in turns:
        take_steps(training, STEPS)


def keras_fit(turns: Iterator[None]) -> None:
    """Trains the same network with Keras in the usual way: in float32, with Keras's Dropout and `fit`."""
    import_tensorflow()
    import keras

    images, settings = smooth_images(IMAGES), settings_for(TUTORIAL, model_dir="")
    statistics, layers = compute_statistics(images.pixels), keras.layers
    model = keras.Sequential(
        [
            keras.Input((*settings.size, settings.channels)),
            layers.Normalization(axis=None, mean=statistics.mean, variance=statistics.variance),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dropout(settings.dropout),
            layers.Dense(settings.categories),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(settings.learning_rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    fit_in_turns(model, images, settings.batch_size, STEPS, turns)


def fit_in_turns(
    model: "keras.Model", images: ImageSet, batch_size: int, steps: int, turns: Iterator[None]
) -> None:  # fmt: skip
    """Trains a compiled model with one endless `fit` on a tf.data set; each turn is one epoch of `steps` steps.

    `fit` may sleep for seconds after its last step, and this time must not be counted.
    """
    import keras
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((images.pixels.astype(np.float32), images.labels))
    batches = batches.repeat().batch(batch_size).prefetch(tf.data.AUTOTUNE)  # shuffling would slow it down
    wait = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: next(turns))
    model.fit(batches, steps_per_epoch=steps, epochs=10**6, callbacks=[wait], shuffle=False, verbose=0)


def with_and_without_input(make: Callable[[], "Training"]) -> Times:
    """Measures steps that read the data set ("fed"), and steps that reuse one batch that is in memory ("unfed")."""
    import_tensorflow()
    import tensorflow as tf

    training = make()
    fed = training._batches
    unfed = iter(tf.data.Dataset.from_tensors(next(fed)).repeat())

    def turn(batches: object) -> None:
        training._batches = batches
        take_steps(training, FEW_STEPS)

    return side_by_side({"fed": lambda: turn(fed), "unfed": lambda: turn(unfed)}, rounds=7)


def input_cost(title: str, make: Callable[[], "Training"]) -> Row:
    """Returns the row that compares steps with and without reading the data set.

    Args:
        title: what is trained.
        make: returns the training, in a new process.
    """
    times = in_new_process(partial(with_and_without_input, make))
    fed, unfed = (f"{times.median(name) / FEW_STEPS:.3f} s a step" for name in ("fed", "unfed"))
    return Row(
        f"{title}, batches from the data set / one batch in memory", fed, unfed, times.ratio("fed", "unfed"), "<= 1.05"
    )


def with_and_without_xla() -> Times:
    """Measures steps with loss and gradients compiled by XLA ("XLA"), and as the trainers run on a CPU ("default")."""
    plain, compiled = (make_training(smooth_images(96), compiled=compiled) for compiled in (False, True))
    things = {"default": lambda: take_steps(plain, FEW_STEPS), "XLA": lambda: take_steps(compiled, FEW_STEPS)}
    return side_by_side(things, rounds=3)


def chosen_precision() -> str:
    """Returns the precision that the trainers choose on this machine."""
    import_tensorflow()
    from trainer.runtime.devices import find_cpu

    return find_cpu().resolve_precision(AUTO)


def traces() -> int:
    """Returns how often the loop is traced in calls of one, two and three steps."""
    training = make_training(smooth_images(96))
    import tensorflow as tf

    for steps in (1, 2, 3):
        training._loop(training._batches, tf.constant(steps))
    return training._loop.experimental_get_tracing_count()


def evaluation_seconds(count: int) -> float:
    """Returns the time to predict and evaluate images, with the tracing of the model in the first call."""
    import_tensorflow()
    from trainer.results import metrics
    from trainer.results.evaluation import Predictions, Predictor
    from trainer.runtime.devices import find_cpu

    images, devices = smooth_images(count), find_cpu()
    settings = settings_for(TUTORIAL, model_dir="", precision=devices.resolve_precision(AUTO))
    model = make_model(images, settings)
    begin = time.perf_counter()
    found = Predictions.of(Predictor(model, settings.batch_size, devices).predict(images, lambda: None))
    metrics.compute_metrics(images.labels, found.logits, found.probabilities, images.names)
    return time.perf_counter() - begin
