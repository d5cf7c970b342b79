"""The metrics of a density classifier: the content of `metrics.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from trainer.results.agreement import Agreement
from trainer.results.bootstrap import Estimate
from trainer.results.comparison import Comparison
from trainer.results.dense import Dense
from trainer.results.reliability import Calibration


@dataclass(frozen=True)
class Baseline:
    """The metrics of a baseline on the same images; the attributes are those of `Metrics`."""

    accuracy: Estimate
    kappa: Estimate
    auc: float | None


@dataclass(frozen=True)
class UnitMetrics:
    """Metrics for breasts or patients, whose prediction is the mean of the probabilities of their images.

    Attributes:
        count: the number of units whose images have the same true category.
        left_out: the number of the others.
        accuracy, kappa, auc: as in `Metrics`; undefined if `count` is 0.
    """

    count: int
    left_out: int
    accuracy: Estimate
    kappa: Estimate
    auc: float | None


@dataclass(frozen=True)
class Metrics:
    """Metrics of a model on N images.

    Attributes:
        images: N.
        accuracy: the share of images whose most probable category is the true one.
        kappa: Cohen's kappa with quadratic weights (Cohen 1968); undefined if all true and predicted categories are
            the same.
        loss: mean cross-entropy in nats, without class weights, whatever loss the model was trained with.
        auc: the mean over the categories of `auc_by_category`; undefined if one of them is.
        auc_by_category: area under the one-versus-rest ROC curve of each category; None if no image or every image has
            this category.
        recall: of each category; None if no image has this category.
        confusion: K x K image counts; rows are true categories, columns predicted ones.
        majority_category, majority_accuracy: the most frequent category, and the accuracy of always predicting it.
        resampled: what the bootstrap resamples, "patients" or "images".
        baselines: by name; None if no training images were given.
        beats_best_baseline: the comparison with the best of them; None without baselines.
        breasts, patients: None if the name of an image does not tell its breast or its patient.
        calibration: of the highest probability.
        dense: categories 3 and 4 against 1 and 2; None if there are not four categories.
        subgroups: "view", "side" and "collection" -> "CC", "MLO"; "LEFT", "RIGHT"; "Calc", "Mass" -> agreement. Images
            whose names do not tell it are in no subgroup; subgroups without images are missing.
    """

    images: int
    accuracy: Estimate
    kappa: Estimate
    loss: float
    auc: float | None
    auc_by_category: list[float | None]
    recall: list[float | None]
    confusion: list[list[int]]
    majority_category: int
    majority_accuracy: float
    resampled: str
    baselines: Mapping[str, Baseline] | None
    beats_best_baseline: Comparison | None
    breasts: UnitMetrics | None
    patients: UnitMetrics | None
    calibration: Calibration
    dense: Dense | None
    subgroups: Mapping[str, Mapping[str, Agreement]]

    def as_dict(self) -> dict:
        """Returns the content of `metrics.json`, without step, precision and seed."""
        return asdict(self)
