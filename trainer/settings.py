"""How a model is trained and evaluated: the settings of both trainers, with the defaults of each network."""

from dataclasses import dataclass
from typing import Any

from preprocess.contract import schema

NETWORKS = RESIDUAL, TUTORIAL = ("residual", "tutorial")
LOSSES = ORDINAL, CROSSENTROPY = ("ordinal", "crossentropy")
OPTIMIZERS = ADAMW, MOMENTUM = ("adamw", "momentum")
SCHEDULES = COSINE, CONSTANT = ("cosine", "constant")
AUGMENTATIONS = FILMS, NONE = ("films", "none")
CLASS_WEIGHTS = NONE, BALANCED = ("none", "balanced")
PRECISIONS = AUTO, FLOAT32, TF32, BFLOAT16 = ("auto", "float32", "tf32", "bfloat16")
KEPT = BEST, LAST = ("best", "last")
EXPORT_FORMATS = SAVED_MODEL, KERAS, LITERT = ("saved_model", "keras", "litert")
METRICS = {"kappa": "quadratic_weighted_kappa", "accuracy": "accuracy", "auc": "macro_auc", "loss": "loss"}
"""The metrics by which trainings are compared -> the columns of `validation.csv`."""


@dataclass(frozen=True)
class Settings:
    """The settings of a training; independent of the data source and the devices. The defaults are of `residual`.

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
        optimizer: the name of the optimizer, see `trainer.network.optimizers`.
        learning_rate: of the optimizer; the highest one of a schedule.
        schedule: "constant", or "cosine": from 0 up to `learning_rate` in `warmup_steps`, then down to 0 at
            `training_steps` along half a cosine.
        warmup_steps: see `schedule`.
        weight_decay: of AdamW: the share of a weight that is subtracted in a step, relative to the learning rate.
        augmentation: "none", or "films": random changes of the training images, see `trainer.network.augmentation`.
        dropout: the share of units before the last dense layer that are dropped in training.
        seed: of the initial weights, the order of the images, dropout and augmentation.
        seeds: number of networks in the model, which have the seeds `seed`, `seed` + 1, … of their initial weights;
            their logits are averaged.
        precision: "auto", "float32", "tf32" or "bfloat16", see `Devices.resolve_precision`. "tf32" is float32 whose
            products NVIDIA GPUs compute with factors of 10 bits; on other devices it is float32.
        checkpoint_steps: steps between two checkpoints.
        class_weights: "none", or "balanced": each category has the same weight in the loss.
        validation_share: the share of the training patients that are held out for validation; 0 for none.
        folds, fold: with `folds` above 0, fold number `fold` (from 0) of the training patients is held out instead.
        eval_every: steps between two validations.
        keep: "best": the weights with the highest kappa of all validations are evaluated and exported; "last".
        patience: the training ends after so many validations without a higher kappa; 0 for never.
        calibrate: whether the logits are divided by a temperature that is fitted on the validation images.
        export_format: the formats in which the model is exported; the SavedModel is always written.
        report_metric: the metric of each validation that is reported to Vertex AI, a key of `METRICS`; "" for none.
    """

    model_dir: str
    height: int = schema.IMAGE_HEIGHT
    width: int = schema.IMAGE_WIDTH
    channels: int = 1
    categories: int = len(schema.DENSITIES)
    batch_size: int = 64
    training_steps: int = 2000
    eval_steps: int = 100
    iterations: int = 50
    network: str = RESIDUAL
    loss: str = ORDINAL
    optimizer: str = ADAMW
    learning_rate: float = 0.002
    schedule: str = COSINE
    warmup_steps: int = 100
    weight_decay: float = 0.05
    augmentation: str = FILMS
    dropout: float = 0.0
    seed: int = 0
    seeds: int = 1
    precision: str = AUTO
    checkpoint_steps: int = 200
    class_weights: str = NONE
    validation_share: float = 0.1
    folds: int = 0
    fold: int = 0
    eval_every: int = 200
    keep: str = LAST
    patience: int = 0
    calibrate: bool = False
    export_format: tuple[str, ...] = (SAVED_MODEL, KERAS)
    report_metric: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return self.height, self.width

    @property
    def validates(self) -> bool:
        """Whether patients are held out for validation."""
        return self.validation_share > 0 or self.folds > 0


OF_2018: dict[str, Any] = {
    "batch_size": 96,
    "training_steps": 1000,
    "loss": CROSSENTROPY,
    "optimizer": MOMENTUM,
    "learning_rate": 0.001,
    "schedule": CONSTANT,
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "augmentation": NONE,
    "dropout": 0.4,
    "validation_share": 0.0,
}
"""The defaults of the tutorial's network: those of 2018, without validation."""


def default_of(name: str, network: str) -> Any:
    """Returns the default value of a setting for a network."""
    return OF_2018.get(name, getattr(Settings, name)) if network == TUTORIAL else getattr(Settings, name)


def settings_for(network: str, **given: Any) -> Settings:
    """Returns settings with the defaults of a network.

    Args:
        network: "residual" or "tutorial".
        given: settings by name; None for the default of the network.
    """
    defaults = OF_2018 if network == TUTORIAL else {}
    chosen = {name: value for name, value in given.items() if value is not None}
    return Settings(**({"network": network} | defaults | chosen))
