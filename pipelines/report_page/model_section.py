"""Prepares the section of the page about one model: its plots, facts and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.report_page.model_plots import Curve, draw_curve, draw_reliability
from pipelines.report_page.trained_model import TrainedModel


@dataclass(frozen=True)
class Section:
    """The section of the page about one model.

    Attributes:
        key: the anchor.
        name: the title.
        plots: name -> SVG: "loss", "accuracy", and "kappa" and "reliability" if the model has their values.
        loss: what the curves of the loss are.
        dense: sentences about dense and non-dense breasts; None if the metrics contain nothing about them.
        facts: (name, value) pairs.
    """

    key: str
    name: str
    model: TrainedModel
    plots: dict[str, Markup]
    loss: str
    dense: Sequence[str] | None
    facts: list[tuple[str, str]]


def make_section(number: int, model: TrainedModel, models: Sequence[TrainedModel]) -> Section:
    """Returns the section of a model.

    Args:
        number: of the section, from 1.
        models: all models of the page; the name of a section tells them apart.
    """
    key = f"model-{number}"
    names = [other.path.rpartition("/")[2] for other in models]
    name = model.path.rpartition("/")[2]
    dense = (model.metrics or {}).get("dense")
    return Section(
        key=key,
        name=name if names.count(name) == 1 else f"{name} ({number})",
        model=model,
        plots={plot: Markup(svg) for plot, svg in _plots(key, model).items()},
        loss=_describe_loss(model),
        dense=describe_dense(dense) if dense else None,
        facts=_facts(model),
    )


def _plots(key: str, model: TrainedModel) -> dict[str, str]:
    metrics, steps = model.metrics, model.steps
    trainings = {"loss": Curve(steps, model.losses), "accuracy": Curve(steps, model.accuracies)}
    curves = (("loss", "loss"), ("accuracy", "accuracy"), ("quadratic weighted kappa", "kappa"))
    found = {}
    for title, name in curves:
        validation = model.validations.get(title.replace(" ", "_"))
        if name not in trainings and not validation:
            continue
        evaluated = (metrics["step"], _value(metrics[name])) if metrics else None
        curve = Curve(model.validations["step"], validation) if validation else None
        found[name] = draw_curve(trainings.get(name), curve, title, f"{key}-{name}", evaluated)
    if metrics and (calibration := metrics.get("calibration")):
        found["reliability"] = draw_reliability(calibration["bins"], f"{key}-reliability")
    return found


def _value(metric: float | Mapping) -> float | None:
    """Returns the value of a metric with or without an interval."""
    return metric["value"] if isinstance(metric, Mapping) else metric


def _describe_loss(model: TrainedModel) -> str:
    training = model.identity["training"]
    loss, weights = training.get("loss", "crossentropy"), training.get("class_weights", "none")
    if (loss, weights) == ("crossentropy", "none"):
        return "Loss (mean cross-entropy, nats)"
    weighted = "" if weights == "none" else f", {weights} class weights"
    return (
        f"Loss. Training batches: {loss}{weighted}. Validation and evaluation: cross-entropy, unweighted, nats; its "
        f"height is not that of the training's loss"
    )


def describe_dense(dense: Mapping) -> list[str]:
    """Returns sentences about dense and non-dense images, in which numbers of images, not of women, are given.

    Args:
        dense: `dense` of `metrics.json`, see `trainer.results.dense`.
    """
    count, other = dense["dense_images"], dense["non_dense_images"]
    if not count or not other:
        return [f"The evaluation contains {count:,} images of dense and {other:,} of non-dense breasts: not measured."]
    area = dense["auc"]
    interval = "" if area["low"] is None else f" ({area['low']:.2f} to {area['high']:.2f})"
    auc = (
        f"AUC {area['value']:.2f}{interval}: the chance that, of one image of a dense and one of a non-dense breast, "
        f"drawn at random, the dense one has the higher probability."
    )
    if dense["threshold"] is None:
        return [
            "The model finds no image of a dense breast (density 3 or 4) when at most 10 of 100 images of non-dense "
            "breasts (density 1 or 2) may be called dense.",
            auc,
        ]
    return [
        f"Of 100 images of dense breasts (density 3 or 4), the model finds {100 * dense['sensitivity']:.0f} when at "
        f"most 10 of 100 images of non-dense breasts (density 1 or 2) are called dense.",
        f"Counted: {dense['dense_found']:,} of {count:,} images of dense breasts, and "
        f"{dense['non_dense_called_dense']:,} of {other:,} images of non-dense breasts, are called dense.",
        f"An image is called dense if the probability of density 3 or 4 is at least {dense['threshold']:.3f}. This "
        f"threshold is chosen on the same images, so both shares will be different on other images.",
        "These are images, not women: a woman has up to four of them.",
        auc,
    ]


def _facts(model: TrainedModel) -> list[tuple[str, str]]:
    training = model.identity["training"]
    facts = [
        ("steps", f"{len(model.steps):,}"),
        ("training images", f"{model.identity['training_set']['images']:,}"),
        *((name.replace("_", " "), str(value)) for name, value in training.items()),
    ]
    if model.speed:
        speed = model.speed
        facts.append(("speed", f"{speed.steps_per_second:.2f} steps/s, {speed.images_per_second:,.0f} images/s"))
        facts.append(("device", speed.device))
    return facts
