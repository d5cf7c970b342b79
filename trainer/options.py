"""Command-line options of both trainers. The names of the options are those of the tutorial of 2018."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.errors import InputError

AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"
NONE, BALANCED = "none", "balanced"
TUTORIAL = "tutorial"
CROSSENTROPY, ORDINAL = "crossentropy", "ordinal"
MODEL_DIR_VARIABLE = "AIP_MODEL_DIR"  # Vertex AI sets it to the folder for the model


@dataclass(frozen=True)
class Settings:
    """How a model is trained and evaluated; independent of the data source and the devices.

    Attributes:
        model_dir: the folder for the model, a local path or gs://.
        height, width: of the images, in pixels.
        channels: of the images; 1.
        categories: number of density categories; labels are 0 to `categories` - 1.
        batch_size: images in a step, over all replicas.
        training_steps: total number of steps, including those of earlier runs with the same `model_dir`; 0 evaluates
            only.
        eval_steps: 0 skips the evaluation; any other number evaluates every image once.
        iterations: the largest number of steps in one call of the training loop; it does not change the result.
        network: the name of the network, see `trainer.network.networks`.
        loss: the name of the loss, see `trainer.network.losses`.
        learning_rate: of stochastic gradient descent with momentum.
        dropout: the share of the dense layer's units that are dropped in training.
        seed: of the initial weights, the order of the images and dropout.
        precision: "auto", "float32" or "bfloat16", see `Devices.resolve_precision`.
        checkpoint_steps: steps between two checkpoints.
        class_weights: "none", or "balanced": each category has the same weight in the loss.
    """

    model_dir: str
    height: int = schema.IMAGE_HEIGHT
    width: int = schema.IMAGE_WIDTH
    channels: int = 1
    categories: int = len(schema.DENSITIES)
    batch_size: int = 96
    training_steps: int = 1000
    eval_steps: int = 100
    iterations: int = 50
    network: str = TUTORIAL
    loss: str = CROSSENTROPY
    learning_rate: float = 0.001
    dropout: float = 0.4
    seed: int = 0
    precision: str = AUTO
    checkpoint_steps: int = 200
    class_weights: str = NONE

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return self.height, self.width


def parse(parser: CommandParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, Settings]:
    """Parses the command line of a trainer.

    Returns:
        All options, and the settings that both trainers share.

    Raises:
        InputError: an option is invalid or missing, or there is neither `--model_dir` nor `AIP_MODEL_DIR`.
        SystemExit: --help.
    """
    options = parser.parse_args(argv)
    settings = Settings(
        model_dir=model_dir_of(options),
        height=options.image_height,
        width=options.image_width,
        channels=options.image_channel,
        categories=options.category_count,
        batch_size=options.batch_size,
        training_steps=options.training_steps,
        eval_steps=options.eval_steps,
        iterations=getattr(options, "iterations", Settings.iterations),
        loss=options.loss,
        learning_rate=options.learning_rate,
        dropout=options.dropout,
        seed=options.seed,
        precision=options.precision,
        checkpoint_steps=options.checkpoint_steps,
        class_weights=options.class_weights,
    )
    return options, settings


def model_dir_of(options: argparse.Namespace) -> str:
    """Returns the folder for the model, from `--model_dir` or else from `AIP_MODEL_DIR`.

    Raises:
        InputError: neither is given.
    """
    model_dir = options.model_dir or os.environ.get(MODEL_DIR_VARIABLE, "")
    if not model_dir:
        raise InputError(f"no --model_dir, and {MODEL_DIR_VARIABLE} is not set; name a folder for the model")
    return model_dir


def make_parser(command: str, description: str) -> CommandParser:
    """Returns a parser with the options that both trainers share.

    Args:
        command: the name of the module, "gpu_model" or "tpu_model".
        description: of the command, for `--help`.
    """
    parser = CommandParser(
        prog=f"python -m trainer.{command}",
        description=description,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    images = parser.add_argument_group("images")
    images.add_argument("--image_width", type=positive, default=Settings.width, help="in pixels")
    images.add_argument("--image_height", type=positive, default=Settings.height, help="in pixels")
    images.add_argument(
        "--image_channel", type=int, choices=(1,), default=1, help="channels of an image; mammograms are grayscale"
    )
    images.add_argument("--category_count", type=_at_least_2, default=Settings.categories,
                        help="number of density categories, which are numbered from 1")  # fmt: skip
    add_training_options(parser)
    return parser


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of training and evaluation, and `--model_dir`."""
    training = parser.add_argument_group("training")
    training.add_argument(
        "--model_dir", "--job-dir", "--job_dir", metavar="DIR",
        help=f"local or gs:// folder for all files of the model; a run that began there is resumed; default: the "
        f"environment variable {MODEL_DIR_VARIABLE}",
    )  # fmt: skip
    training.add_argument(
        "--training_steps", type=_whole, default=Settings.training_steps,
        help="total number, including the steps of earlier runs with this --model_dir; 0 evaluates only",
    )  # fmt: skip
    training.add_argument("--batch_size", type=positive, default=Settings.batch_size, help="images in a step")
    training.add_argument("--learning_rate", type=_positive_number, default=Settings.learning_rate,
                          help="of stochastic gradient descent with momentum 0.9")  # fmt: skip
    training.add_argument(
        "--loss", choices=(CROSSENTROPY, ORDINAL), default=CROSSENTROPY,
        help="crossentropy: of the true category; ordinal: of the questions whether the category is above 1, 2 and 3, "
        "so that a probability far from the true category costs more",
    )  # fmt: skip
    training.add_argument("--dropout", type=_share, default=Settings.dropout,
                          help="share of the dense layer's units that are dropped in training")  # fmt: skip
    training.add_argument(
        "--class_weights", choices=(NONE, BALANCED), default=NONE,
        help="balanced: each category has the same weight in the loss, however many images it has",
    )  # fmt: skip
    training.add_argument("--seed", type=_seed, default=Settings.seed,
                          help="of the initial weights, the order of the images and dropout")  # fmt: skip
    training.add_argument(
        "--precision", choices=(AUTO, FLOAT32, BFLOAT16), default=AUTO,
        help="of the arithmetic; auto: bfloat16 if the hardware supports it, else float32; weights are float32",
    )  # fmt: skip
    training.add_argument("--checkpoint_steps", type=positive, default=Settings.checkpoint_steps,
                          help="steps between two checkpoints; a stopped run is resumed from the last one")  # fmt: skip
    evaluation = parser.add_argument_group("evaluation")
    evaluation.add_argument(
        "--eval_steps", type=_whole, default=Settings.eval_steps,
        help="0: no evaluation; any other number: every evaluation image exactly once, in as many steps as necessary",
    )  # fmt: skip


def _whole(text: str) -> int:
    return _checked(int, text, lambda number: 0 <= number < 2**31, "a whole number, 0 or more")


def positive(text: str) -> int:
    return _checked(int, text, lambda number: 0 < number < 2**31, "a whole number, 1 or more")


def _seed(text: str) -> int:
    """Parses a seed.

    The four layers have the seeds 4 * seed to 4 * seed + 3. Keras maps seeds from about 2^31 on to smaller ones.
    """
    return _checked(int, text, lambda number: 0 <= number < 2**28, "a whole number, 0 to 2^28 - 1")


def _at_least_2(text: str) -> int:
    return _checked(int, text, lambda number: 2 <= number <= 9, "a whole number, 2 to 9")


def _positive_number(text: str) -> float:
    return _checked(float, text, lambda number: 0 < number < float("inf"), "a number above 0")


def _share(text: str) -> float:
    return _checked(float, text, lambda number: 0 <= number < 1, "a number from 0 to below 1")


def _checked(kind, text: str, is_valid, expected: str):
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not is_valid(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return number
