"""A whole search: its data, trials and options, the command lines of its trainings, and `tuning.json`."""

import dataclasses
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.tuning.drawing import Parameters
from pipelines.tuning.space import Space
from preprocess.contract import schema
from preprocess.dataset.manifest import read_manifest
from preprocess.files import storage
from preprocess.runtime.errors import InputError
from trainer import gpu_model
from trainer import options as command_line
from trainer.settings import Settings

SEARCH_FILE, TABLE_FILE, PAGE_FILE, TRIALS_FOLDER = "tuning.json", "trials.csv", "tuning.html", "trials"
FORMAT = 1
_OWN_OPTIONS = {
    "--model_dir", "--job-dir", "--job_dir", "--data_bucket", "--training_data_dir", "--eval_data_dir", "--eval_steps",
    "--folds", "--fold", "--validation_share", "--keep", "--patience", "--calibrate",
}  # fmt: skip
"""Options of the trainer that the search sets itself, or that need another evaluation than that of the search."""


@dataclass(frozen=True)
class Search:
    """What a search does: its data set, hyperparameters, trials and options.

    Attributes:
        data: the data set, as the user wrote it.
        output: the folder of the search, as the user wrote it.
        space: the hyperparameters.
        trials: the values of each trial; trial 1 is the first.
        folds: number of folds of the training patients.
        seed: of the draws; None for a grid.
        metric: a key of `table.METRICS`.
        options: further options of the trainer, the same for all trials.
    """

    data: str
    output: str
    space: Space
    trials: Sequence[Parameters]
    folds: int
    seed: int | None
    metric: str
    options: Sequence[str]

    @property
    def root(self) -> Path:
        """The folder of the search."""
        return Path(storage.absolute(self.output))

    @property
    def training_folder(self) -> str:
        """The folder of the training images."""
        return storage.join(self.data, schema.IMAGE_FOLDERS[schema.TRAIN])

    def folder(self, trial: int, fold: int) -> Path:
        """Returns the folder of one training."""
        return self.root / TRIALS_FOLDER / str(trial) / f"fold{fold}"

    def training(self, trial: int, fold: int) -> list[str]:
        """Returns the options of `trainer.gpu_model` for one training on a fold; it reads no test images."""
        return [
            *self._common(trial),
            "--eval_steps=0",
            "--keep=best",
            f"--folds={self.folds}",
            f"--fold={fold}",
            f"--model_dir={self.folder(trial, fold)}",
        ]

    def final_command(self, trial: int) -> str:
        """Returns the command that trains with the values of a trial on all training images, and evaluates once."""
        test = storage.join(self.data, schema.IMAGE_FOLDERS[schema.TEST])
        words = [
            *self._common(trial),
            f"--eval_data_dir={test}",
            "--validation_share=0",
            f"--model_dir={storage.join(self.output, 'winner')}",
        ]
        return f"python -m trainer.gpu_model {shlex.join(words)}"

    def check(self) -> None:
        """Checks the options of every training with the parser of the trainer.

        Raises:
            InputError: an option is unknown, is set twice, or contradicts the values of a trial.
        """
        flags = [word.partition("=")[0] for word in self.options if word.startswith("--")]
        for flag in flags:
            if flag in _OWN_OPTIONS:
                raise InputError(f"{flag} after --: the search sets it or has no use for it; leave it out")
            if flag[2:] in self.space:
                raise InputError(f"{flag} after --: it is also searched; leave it out in one of the two places")
        for trial, parameters in enumerate(self.trials, 1):
            try:
                gpu_model.check(self.training(trial, 0))
            except InputError as error:
                shown = ", ".join(f"{name}={value}" for name, value in parameters.items())
                raise InputError(f"trial {trial} ({shown}): {str(error).partition('; --help')[0]}") from error

    def settings(self) -> Settings:
        """Returns the settings of the first training, for the size and the categories of the images."""
        return command_line.parse(gpu_model.make_parser(), self.training(1, 0))[1]

    def identity(self, images: str) -> dict[str, Any]:
        """Returns the content of `tuning.json`. Results of an earlier run are used only if its content is equal.

        Args:
            images: SHA-256 of the training images.
        """
        space = {name: dataclasses.asdict(values) for name, values in self.space.items()}
        found = {
            "format": FORMAT,
            "training_images": images,
            "folds": self.folds,
            "metric": self.metric,
            "seed": self.seed,
            "options": self.options,
            "space": space,
            "trials": self.trials,
        }
        return json.loads(json.dumps(found))  # with lists in place of tuples, as in a file

    def _common(self, trial: int) -> list[str]:
        """Returns the options that are the same in the trainings on folds and in the final one."""
        values = [f"--{name}={value}" for name, value in self.trials[trial - 1].items()]
        return [f"--training_data_dir={self.training_folder}", *_image_options(self.data), *self.options, *values]


def check_identity(path: Path, identity: dict[str, Any]) -> None:
    """Writes `tuning.json`. If it exists, checks that it belongs to the same search.

    Raises:
        InputError: it is of another search, or damaged.
    """
    if not path.exists():
        storage.write(str(path), (json.dumps(identity, indent=1) + "\n").encode())
        return
    try:
        found = json.loads(path.read_text())
        different = [name for name, value in identity.items() if found.get(name) != value]
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: is damaged; choose another --output") from error
    if different:
        raise InputError(
            f"{path.parent}: contains another search, with other {', '.join(different)}; give the same options, or "
            f"choose another --output"
        )


def _image_options(data: str) -> list[str]:
    """Returns the options for the size of the images; none for a folder without a manifest."""
    manifest = read_manifest(storage.absolute(data))
    if manifest is None:
        return []
    return [f"--{name}={manifest['parameters'][name]}" for name in ("image_width", "image_height")]
