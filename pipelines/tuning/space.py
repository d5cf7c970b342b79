"""Parses the hyperparameters of a search: a YAML file, or the words of --grid."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from preprocess.files import storage
from preprocess.runtime.errors import InputError
from trainer import gpu_model
from trainer.settings import Settings

SEARCHED = (
    "network", "training_steps", "batch_size", "optimizer", "learning_rate", "schedule", "warmup_steps", "weight_decay",
    "loss", "augmentation", "dropout", "class_weights", "seed", "precision",
)  # fmt: skip
"""The hyperparameters that can be searched; each is an option of the trainers."""
_RANGE_KEYS = {"low", "high", "log"}


@dataclass(frozen=True)
class Choice:
    """A hyperparameter with a few values, as the user wrote them."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """A hyperparameter between two numbers, both included.

    Attributes:
        log: whether the logarithm is drawn uniformly.
        whole: whether only whole numbers are drawn.
    """

    low: float
    high: float
    log: bool
    whole: bool


Space = Mapping[str, Choice | Range]


def read_space(path: str) -> Space:
    """Reads a space from a YAML file, e.g. `learning_rate: {low: 0.0003, high: 0.01, log: true}` or `loss: [ordinal]`.

    Raises:
        InputError: the file cannot be read, or contains an unknown name or a wrong value.
    """
    try:
        found = yaml.safe_load(storage.read(storage.absolute(path)).decode())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({storage.error_message(error)}); name a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not YAML ({' '.join(str(error).split())}); correct it") from error
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: contains no hyperparameters; expected lines such as 'loss: [ordinal, crossentropy]'")
    return {str(name): _parse(path, str(name), value) for name, value in found.items()}


def parse_grid(words: Sequence[str]) -> Mapping[str, Choice]:
    """Parses words such as `learning_rate=0.001,0.003`.

    Raises:
        InputError: a word has another form, an unknown name or a wrong value.
    """
    grid: dict[str, Choice] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals:
            raise InputError(f"--grid {word}: expected a name and values, e.g. learning_rate=0.001,0.003")
        if name in grid:
            raise InputError(f"--grid {word}: {name} is given twice; give all its values in one word")
        _check_name("--grid", name)
        grid[name] = _choice(f"--grid {word}", name, values.split(","))
    return grid


def _parse(path: str, name: str, value: Any) -> Choice | Range:
    """Parses the value of one name in a YAML file."""
    _check_name(path, name)
    where = f"{path}: {name}"
    if isinstance(value, list) and value:
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int | float | str):
                raise InputError(f"{where}: {item!r} is not a number or a word; write it in quotation marks")
        return _choice(where, name, [str(item) for item in value])
    if isinstance(value, dict):
        return _range(where, name, value)
    raise InputError(f"{where}: expected a list of values, or low and high, but found {value!r}")


def _choice(where: str, name: str, texts: Sequence[str]) -> Choice:
    values = [_convert(where, name, text) for text in texts]
    if len(set(values)) < len(values):
        raise InputError(f"{where}: a value is given twice; leave one out")
    return Choice(tuple(texts))


def _range(where: str, name: str, found: dict) -> Range:
    default, log = getattr(Settings, name), found.get("log", False)
    if isinstance(default, str):
        raise InputError(f"{where}: has no numbers; give a list of its values")
    if not {"low", "high"} <= found.keys() <= _RANGE_KEYS or not isinstance(log, bool):
        raise InputError(f"{where}: expected low, high and, if wanted, log: true, but found {found!r}")
    low, high = (_convert(f"{where}: {key}", name, str(found[key])) for key in ("low", "high"))
    if not low < high or (log and low <= 0):
        raise InputError(f"{where}: low {low} and high {high}; expected low < high, and low > 0 with log")
    return Range(low, high, log, isinstance(default, int))


def _check_name(where: str, name: str) -> None:
    if name not in SEARCHED:
        near = difflib.get_close_matches(name, SEARCHED, n=1)
        question = f"; did you mean {near[0]}?" if near else ";"
        raise InputError(f"{where}: unknown hyperparameter {name!r}{question} expected one of {', '.join(SEARCHED)}")


def _convert(where: str, name: str, text: str) -> Any:
    """Converts a value with the parser of the trainers.

    Raises:
        InputError: the parser refuses it.
    """
    try:
        value = getattr(gpu_model.make_parser().parse_args(["--training_data_dir=", f"--{name}={text}"]), name)
    except InputError as error:
        raise InputError(f"{where}: {str(error).partition('; --help')[0]}") from error
    return value
