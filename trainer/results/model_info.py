"""`export/model.json`: what is needed to use the SavedModel beside it on new films."""

import json
from dataclasses import dataclass

from preprocess.contract.schema import Size
from preprocess.files import storage
from preprocess.runtime.errors import InputError
from trainer.data import sources
from trainer.data.film_statistics import FilmStatistics
from trainer.data.image_set import ImageSet
from trainer.data.preparation import Preparation
from trainer.model_dir.folder import EXPORT_FOLDER

FORMAT = 1
INFO_FILE = "model.json"


@dataclass(frozen=True)
class ModelInfo:
    """What a user of a SavedModel must know.

    Attributes:
        size: (height, width) of the images that it takes, in pixels.
        categories: number of density categories, from 1 on.
        network: name of the network.
        images: number of training images.
        statistics: of the training images.
        preparation: how the training images were made; None if no manifest was found.
        temperature: by which the logits were divided; 1 for a model that was not calibrated.
    """

    size: Size
    categories: int
    network: str
    images: int
    statistics: FilmStatistics
    preparation: Preparation | None
    temperature: float

    @classmethod
    def of(cls, training: ImageSet, network: str, temperature: float) -> "ModelInfo":
        """Returns the information about a model that was trained on a set."""
        height, width = training.pixels.shape[1:3]
        return cls(
            (height, width), training.categories, network, len(training), FilmStatistics.of(training.pixels),
            training.preparation, temperature,
        )  # fmt: skip

    def as_json(self, versions: dict[str, str]) -> str:
        """Returns the content of the file.

        Args:
            versions: library -> version.
        """
        made = self.preparation
        values = {
            "format": FORMAT,
            "network": self.network,
            "categories": list(range(1, self.categories + 1)),
            "image": {"height": self.size[0], "width": self.size[1]},
            "canvas": {"height": made.canvas[0], "width": made.canvas[1]} if made else None,
            "resample": made.resample if made else None,
            "data_set": made.fingerprint if made else None,
            "training_images": self.images,
            "statistics": self.statistics.as_json(),
            "temperature": self.temperature,
            "versions": versions,
        }
        return json.dumps(values, indent=1) + "\n"


def read_model_info(model_dir: str) -> ModelInfo:
    """Reads the information about the SavedModel in the folder of a model.

    Raises:
        InputError: there is no exported model, or the file cannot be read, or has another format.
    """
    folder = storage.join(storage.absolute(model_dir), EXPORT_FOLDER)
    path = storage.join(folder, INFO_FILE)
    with sources.input_errors(path, "cannot be read"):
        if not storage.exists(path):
            is_model = storage.exists(storage.join(folder, "saved_model.pb"))
            what = (
                "an earlier version exported this model; train it again" if is_model else "contains no exported model"
            )
            raise InputError(f"{model_dir}: {what}; expected {EXPORT_FOLDER}/{INFO_FILE} of a finished training")
    try:
        found = json.loads(sources.read(path))
        if found["format"] != FORMAT:
            raise InputError(f"{path}: has format {found['format']}, expected {FORMAT}; use the version that wrote it")
        canvas = found["canvas"]
        return ModelInfo(
            (int(found["image"]["height"]), int(found["image"]["width"])),
            len(found["categories"]),
            str(found["network"]),
            int(found["training_images"]),
            FilmStatistics.from_json(found["statistics"]),
            Preparation((int(canvas["height"]), int(canvas["width"])), str(found["resample"]), str(found["data_set"]))
            if canvas
            else None,
            float(found["temperature"]),
        )
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: is damaged, or was not written by a trainer; train the model again") from error
