"""Command-line options of both trainers; the tutorial's have their names of 2018."""

import argparse
import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.errors import InputError
from trainer import settings as choices
from trainer.runtime.vertex import MODEL_DIR_VARIABLE
from trainer.settings import RESIDUAL, TUTORIAL, Settings, default_of, settings_for

_OWN_NAMES = {"height": "image_height", "width": "image_width", "channels": "image_channel",
              "categories": "category_count"}  # fmt: skip
"""Settings whose options have other names."""


def parse(parser: CommandParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, Settings]:
    """Parses the command line of a trainer.

    Returns:
        All options, and the settings that both trainers share.

    Raises:
        InputError: an option is invalid or missing, or there is neither `--model_dir` nor `AIP_MODEL_DIR`.
        SystemExit: --help.
    """
    options = parser.parse_args(argv)
    values: dict[str, Any] = {
        field.name: getattr(options, _OWN_NAMES.get(field.name, field.name), None)
        for field in dataclasses.fields(Settings)
    }
    values["export_format"] = tuple(options.export_format)
    settings = settings_for(values.pop("network"), **(values | {"model_dir": model_dir_of(options)}))
    _check(settings)
    return options, settings


def check_evaluation(flag: str, images: str | Sequence[str] | None, settings: Settings) -> None:
    """Checks that evaluation images are given, unless there is no evaluation.

    Args:
        flag: the option for the evaluation images.
        images: its value.

    Raises:
        InputError: an evaluation is requested, and the option is missing.
    """
    if settings.eval_steps and not images:
        raise InputError(f"no {flag}; name the evaluation images, or give --eval_steps 0 for no evaluation")


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
    """Adds the options of training, validation, evaluation and export, and `--model_dir`."""
    training = parser.add_argument_group("training")
    training.add_argument(
        "--model_dir", "--job-dir", "--job_dir", metavar="DIR",
        help=f"local or gs:// folder for all files of the model; a run that began there is resumed; default: the "
        f"environment variable {MODEL_DIR_VARIABLE}",
    )  # fmt: skip
    training.add_argument(
        "--network", choices=choices.NETWORKS, default=RESIDUAL,
        help="residual: a small residual network; tutorial: the six layers of 2018 with their options",
    )  # fmt: skip
    _add(training, "training_steps", _whole,
         "total number, including the steps of earlier runs with this --model_dir; 0 evaluates only")  # fmt: skip
    _add(training, "batch_size", positive, "images in a step")
    _add(training, "optimizer", choices.OPTIMIZERS, "adamw, or stochastic gradient descent with momentum 0.9")
    _add(training, "learning_rate", _positive_number, "of the optimizer; the highest one of a schedule")
    _add(
        training, "schedule", choices.SCHEDULES,
        "cosine: the learning rate rises for --warmup_steps, and falls to 0 at --training_steps; a larger total on a "
        "trained model follows the longer schedule from its last step on",
    )  # fmt: skip
    _add(training, "warmup_steps", _whole, "of the schedule cosine")
    _add(training, "weight_decay", _not_negative, "of adamw")
    _add(
        training, "loss", choices.LOSSES,
        "crossentropy: of the true category; ordinal: of the questions whether the category is above 1, 2 and 3, so "
        "that a probability far from the true category costs more",
    )  # fmt: skip
    _add(
        training,
        "augmentation",
        choices.AUGMENTATIONS,
        "films: random flips, shifts, gamma and contrast of training images",
    )
    _add(training, "dropout", _share, "share of units before the last layer that are dropped in training")
    training.add_argument(
        "--class_weights", choices=choices.CLASS_WEIGHTS, default=Settings.class_weights,
        help="balanced: each category has the same weight in the loss, however many images it has",
    )  # fmt: skip
    training.add_argument("--seed", type=_seed, default=Settings.seed,
                          help="of the initial weights, the order of the images, dropout and augmentation")  # fmt: skip
    training.add_argument(
        "--seeds", type=_seeds, default=Settings.seeds, metavar="N",
        help="train N networks with different initial weights and average their logits; takes N times as long; not "
        "with tutorial",
    )  # fmt: skip
    training.add_argument(
        "--precision", choices=choices.PRECISIONS, default=Settings.precision,
        help="of the arithmetic; auto: bfloat16 if the hardware supports it, else float32; tf32: float32, but NVIDIA "
        "GPUs round the factors of products to 10 bits; weights are float32",
    )  # fmt: skip
    training.add_argument(
        "--deterministic", action="store_true",
        help="on a GPU, use only algorithms that compute the same bits in each run, which is slower; a CPU always does",
    )  # fmt: skip
    training.add_argument(
        "--require_accelerator", action="store_true", help="end with an error if there is no GPU and no TPU"
    )
    training.add_argument("--checkpoint_steps", type=positive, default=Settings.checkpoint_steps,
                          help="steps between two checkpoints; a stopped run is resumed from the last one")  # fmt: skip
    _add_validation_options(parser)
    training.add_argument(
        "--report_metric", choices=choices.METRICS, default="",
        help="report this metric of each validation to Vertex AI; for the trials of pipelines.vertex tune",
    )  # fmt: skip
    evaluation = parser.add_argument_group("evaluation and export")
    evaluation.add_argument(
        "--eval_steps", type=_whole, default=Settings.eval_steps,
        help="0: no evaluation; any other number: every evaluation image exactly once, in as many steps as necessary",
    )  # fmt: skip
    evaluation.add_argument(
        "--export_format", nargs="+", choices=choices.EXPORT_FORMATS, default=Settings.export_format,
        help="one or several: saved_model (export/, always written), keras (model.keras), litert (model.tflite)",
    )  # fmt: skip


def _add_validation_options(parser: argparse.ArgumentParser) -> None:
    validation = parser.add_argument_group("validation, on patients of the training images")
    _add(validation, "validation_share", _share,
         "share of the patients that are held out, chosen by a hash of the patient; 0: no validation")  # fmt: skip
    validation.add_argument("--folds", type=_folds, default=0, metavar="N",
                            help="divide the patients into N folds and hold out fold --fold instead")  # fmt: skip
    validation.add_argument("--fold", type=_whole, default=0, metavar="K", help="0 to N - 1")
    validation.add_argument("--eval_every", type=positive, default=Settings.eval_every,
                            help="steps between two validations")  # fmt: skip
    _add(validation, "keep", choices.KEPT,
         "best: evaluate and export the weights with the highest kappa of all validations; last: the last")  # fmt: skip
    validation.add_argument(
        "--patience", type=_whole, default=0, metavar="N",
        help="end the training after N validations without a higher kappa; 0: never",
    )  # fmt: skip
    validation.add_argument(
        "--calibrate", action="store_true",
        help="divide the logits by a temperature that is fitted on the validation images",
    )  # fmt: skip


def _add(group: argparse._ArgumentGroup, name: str, kind: Callable | tuple[str, ...], text: str) -> None:
    """Adds an option whose default depends on the network.

    Args:
        kind: converts the value; or the values to choose from.
    """
    residual, tutorial = (default_of(name, network) for network in (RESIDUAL, TUTORIAL))
    shown = f"default: {residual}" if residual == tutorial else f"default: {residual}; with tutorial: {tutorial}"
    if isinstance(kind, tuple):
        group.add_argument(f"--{name}", choices=kind, help=f"{text} ({shown})")
    else:
        group.add_argument(f"--{name}", type=kind, help=f"{text} ({shown})")


def _check(settings: Settings) -> None:
    """Checks options that depend on each other.

    Raises:
        InputError: they contradict each other.
    """
    if settings.folds and settings.fold >= settings.folds:
        raise InputError(f"--fold {settings.fold}: expected 0 to {settings.folds - 1} with --folds {settings.folds}")
    if settings.fold and not settings.folds:
        raise InputError(f"--fold {settings.fold} without --folds; give the number of folds, too")
    if settings.seeds > 1 and settings.network == TUTORIAL:
        raise InputError(f"--seeds {settings.seeds} with --network {TUTORIAL}; expected --network {RESIDUAL}")
    if not settings.validates:
        given = {
            "--patience": settings.patience > 0,
            "--calibrate": settings.calibrate,
            "--report_metric": bool(settings.report_metric),
        }
        for flag in (flag for flag, is_given in given.items() if is_given):
            raise InputError(f"{flag} needs validation images; give --validation_share or --folds")


def _whole(text: str) -> int:
    return _checked(int, text, lambda number: 0 <= number < 2**31, "a whole number, 0 or more")


def positive(text: str) -> int:
    return _checked(int, text, lambda number: 0 < number < 2**31, "a whole number, 1 or more")


def _seed(text: str) -> int:
    """Parses a seed.

    The four layers of the tutorial's network that have weights have the seeds 4 * seed to 4 * seed + 3. Keras maps
    seeds from about 2^31 on to smaller ones.
    """
    return _checked(int, text, lambda number: 0 <= number < 2**28, "a whole number, 0 to 2^28 - 1")


def _seeds(text: str) -> int:
    return _checked(int, text, lambda number: 1 <= number <= 100, "a whole number, 1 to 100")


def _folds(text: str) -> int:
    return _checked(int, text, lambda number: 2 <= number <= 1000, "a whole number, 2 to 1000")


def _at_least_2(text: str) -> int:
    return _checked(int, text, lambda number: 2 <= number <= 9, "a whole number, 2 to 9")


def _positive_number(text: str) -> float:
    return _checked(float, text, lambda number: 0 < number < float("inf"), "a number above 0")


def _not_negative(text: str) -> float:
    return _checked(float, text, lambda number: 0 <= number < float("inf"), "a number, 0 or more")


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
