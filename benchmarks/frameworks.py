"""Trainings of the residual network with this project's loop, with Keras `fit` and with PyTorch, for `training`.

All three train one network of `--seeds 1` on the same images: dropout, cross-entropy, AdamW, no augmentation. This
project does not install PyTorch; without it, its rows are left out.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Row, side_by_side
from benchmarks.processes import InTurn
from benchmarks.stepping import fit_in_turns, input_cost, smooth_images, take_steps
from trainer.data.image_set import compute_statistics
from trainer.runtime.startup import import_tensorflow
from trainer.settings import NONE, RESIDUAL, Settings, settings_for

if TYPE_CHECKING:
    from trainer.loop.training import Training

IMAGES = 1024
TURN_IMAGES = 512  # the same for all batch sizes, so that their turns take about as long
DROPOUT, WEIGHT_DECAY = 0.2, 0.05


def settings_of(batch_size: int) -> Settings:
    """Returns the settings of this project's loop, of which the other two use a part."""
    return settings_for(
        RESIDUAL, model_dir="", batch_size=batch_size, augmentation=NONE, loss="crossentropy", dropout=DROPOUT,
        weight_decay=WEIGHT_DECAY,
    )  # fmt: skip


def make_training(batch_size: int, precision: str) -> "Training":
    """Returns a training as the trainers set it up on a CPU."""
    import_tensorflow()
    from trainer.loop.training import Training
    from trainer.network.optimizers import make_optimizer
    from trainer.network.residual import build
    from trainer.runtime.devices import find_cpu

    images, settings = smooth_images(IMAGES), settings_of(batch_size)
    model = build(settings, compute_statistics(images.pixels), precision)
    return Training(model, make_optimizer(model, settings), images, settings, find_cpu(), first_step=0)


def our_loop(batch_size: int, precision: str, turns: Iterator[None]) -> None:
    """Trains with the trainers' own loop."""
    training = make_training(batch_size, precision)
    for _ in turns:
        take_steps(training, TURN_IMAGES // batch_size)


def keras_fit(batch_size: int, precision: str, turns: Iterator[None]) -> None:
    """Trains with Keras's `fit`."""
    import_tensorflow()
    import keras

    from trainer.network.residual import FEATURES, LOGITS, build

    images, settings = smooth_images(IMAGES), settings_of(batch_size)
    network = build(settings, compute_statistics(images.pixels), precision).get_layer("trunk")
    features = keras.layers.Dropout(DROPOUT)(network.get_layer(FEATURES).output)
    model = keras.Model(network.inputs, network.get_layer(LOGITS)(features))
    model.compile(
        optimizer=keras.optimizers.AdamW(settings.learning_rate, weight_decay=WEIGHT_DECAY),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    fit_in_turns(model, images, batch_size, TURN_IMAGES // batch_size, turns)


def pytorch(batch_size: int, precision: str, turns: Iterator[None]) -> None:
    """Trains with PyTorch: tensors in memory, the channels last, autocast for bfloat16."""
    import torch

    from benchmarks.torch_network import Network

    torch.set_num_threads(2)
    images = smooth_images(IMAGES)
    pixels = torch.from_numpy(images.pixels.astype(np.float32)).permute(0, 3, 1, 2)
    labels = torch.from_numpy(images.labels)
    statistics = compute_statistics(images.pixels)
    network = Network(statistics.mean, statistics.variance, DROPOUT).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), settings_of(batch_size).learning_rate, weight_decay=WEIGHT_DECAY
    )
    steps = TURN_IMAGES // batch_size
    for turn, _ in enumerate(turns):
        for number in range(turn * steps, (turn + 1) * steps):
            rows = torch.arange(number * batch_size, (number + 1) * batch_size) % IMAGES
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = torch.nn.functional.cross_entropy(network(pixels[rows]).float(), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def steps(batch_size: int, precision: str) -> list[Row]:
    """Returns the rows that compare the three."""
    works = {"ours": our_loop, "Keras fit": keras_fit}
    if importlib.util.find_spec("torch"):
        works["PyTorch"] = pytorch
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(InTurn(partial(work, batch_size, precision))) for name, work in works.items()
        }
        times = side_by_side(processes)
    rates = {name: f"{TURN_IMAGES / batch_size / times.median(name):.2f} steps/s" for name in works}
    title = f"residual network, batches of {batch_size}, {precision}: this project's loop"
    return [
        Row(f"{title} / {name}", rates["ours"], rates[name], times.ratio(name, "ours"), ">= 1.2")
        for name in works
        if name != "ours"
    ]


def input_cost_of(batch_size: int, precision: str) -> Row:
    """Returns the row that compares steps with and without reading the data set."""
    title = f"residual network, batches of {batch_size}, {precision}"
    return input_cost(title, partial(make_training, batch_size, precision))
