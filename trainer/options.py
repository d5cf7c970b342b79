"""What both commands are told, with the names of the tutorial of 2018."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.runtime.arguments import HelpFormatter
from preprocess.runtime.errors import InputError

AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"
NONE, BALANCED = "none", "balanced"
MODEL_DIR_VARIABLE = "AIP_MODEL_DIR"  # Vertex AI names the place for the model in it


@dataclass(frozen=True)
class Settings:
    """How a model is trained and judged, whatever the data come from and the strategy is.

    Attributes:
        height, width, channels: of the images, in pixels.
        categories: how many labels there are; they are 0 to `categories` - 1.
        training_steps: the total, over all runs into one `model_dir`; 0 evaluates only.
        eval_steps: 0 leaves the evaluation out; any other number evaluates every image once.
        iterations: at most so many steps go into one call; no result depends on it.
        precision: "auto", "float32" or "bfloat16", see `devices`.
        checkpoint_steps: steps between two checkpoints.
        class_weights: "none", or "balanced": each category weighs the same in the loss.
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
    learning_rate: float = 0.001
    dropout: float = 0.4
    seed: int = 0
    precision: str = AUTO
    checkpoint_steps: int = 200
    class_weights: str = NONE

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, Settings]:
    """Reads the command line of either trainer.

    Raises:
        InputError: no `--model_dir` and none named by the environment.
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
        learning_rate=options.learning_rate,
        dropout=options.dropout,
        seed=options.seed,
        precision=options.precision,
        checkpoint_steps=options.checkpoint_steps,
        class_weights=options.class_weights,
    )
    return options, settings


def model_dir_of(options: argparse.Namespace) -> str:
    """The folder that the command line or the environment names.

    Raises:
        InputError: neither does.
    """
    model_dir = options.model_dir or os.environ.get(MODEL_DIR_VARIABLE, "")
    if not model_dir:
        raise InputError(f"no --model_dir, and {MODEL_DIR_VARIABLE} names none; name a folder for the model")
    return model_dir


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """A parser with the flags that both trainers share."""
    parser = argparse.ArgumentParser(
        prog=f"python -m trainer.{command}",
        description=description,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    images = parser.add_argument_group("images")
    images.add_argument("--image_width", type=positive, default=Settings.width, help="pixels")
    images.add_argument("--image_height", type=positive, default=Settings.height, help="pixels")
    images.add_argument("--image_channel", type=int, choices=(1,), default=1, help="mammograms are gray")
    images.add_argument(
        "--category_count", type=_at_least_2, default=Settings.categories, help="density categories, 1 to this number"
    )
    add_training_options(parser)
    return parser


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Adds everything but the images: how a model is trained and judged, and where it is kept."""
    training = parser.add_argument_group("training")
    training.add_argument(
        "--model_dir", "--job-dir", "--job_dir", metavar="DIR",
        help=f"a folder or gs:// for everything the run leaves; a run begun there is taken up again; without it "
        f"the environment's {MODEL_DIR_VARIABLE}",
    )  # fmt: skip
    training.add_argument(
        "--training_steps", type=_whole, default=Settings.training_steps,
        help="in all, with those of earlier runs into --model_dir; 0 evaluates only",
    )  # fmt: skip
    training.add_argument("--batch_size", type=positive, default=Settings.batch_size, help="images a step")
    training.add_argument("--learning_rate", type=_positive_number, default=Settings.learning_rate,
                          help="of stochastic gradient descent with momentum 0.9")  # fmt: skip
    training.add_argument("--dropout", type=_share, default=Settings.dropout, help="share of the dense layer left out")
    training.add_argument(
        "--class_weights", choices=(NONE, BALANCED), default=NONE,
        help="balanced: each category weighs the same in the loss, however many images it has",
    )  # fmt: skip
    training.add_argument("--seed", type=_seed, default=Settings.seed, help="of weights, order and dropout")
    training.add_argument(
        "--precision", choices=(AUTO, FLOAT32, BFLOAT16), default=AUTO,
        help="of the arithmetic; auto: bfloat16 where the hardware has it, else float32; weights are float32",
    )  # fmt: skip
    training.add_argument("--checkpoint_steps", type=positive, default=Settings.checkpoint_steps,
                          help="steps between two checkpoints; a stopped run is taken up from the last")  # fmt: skip
    evaluation = parser.add_argument_group("evaluation")
    evaluation.add_argument(
        "--eval_steps", type=_whole, default=Settings.eval_steps,
        help="0: no evaluation; any other number: every evaluation image exactly once, in as many steps as that takes",
    )  # fmt: skip


def _whole(text: str) -> int:
    return _checked(int, text, lambda number: 0 <= number < 2**31, "a whole number, 0 or more")


def positive(text: str) -> int:
    return _checked(int, text, lambda number: 0 < number < 2**31, "a whole number, 1 or more")


def _seed(text: str) -> int:
    """Each of the four layers takes one of four seeds, and Keras folds what lies beyond 2^31."""
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
