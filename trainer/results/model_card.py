"""The model card, `model_card.md`: what is known about a model, in the sections of Mitchell et al. 2019.

Mitchell et al., Model cards for model reporting, FAT* 2019. The card contains no path and no time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preprocess.contract import schema
from trainer.data.image_set import ImageSet, shared_patients
from trainer.results.metric_values import Metrics
from trainer.results.metrics_text import format_interval, format_number

NOT_JUDGED = "The model was not evaluated after this training, so nothing is known about how good it is."
_SCORES = ("", "images", "accuracy", "kappa")


@dataclass(frozen=True)
class Facts:
    """The facts from which the card of a model is made.

    Attributes:
        identity: the content of `training.json`.
        step: of the weights.
        parameters: their number.
        temperature: by which the logits are divided.
        versions: of the programs, by name.
        training, validation, evaluation: the image sets; validation and evaluation are None if there are none.
        found: the metrics of the evaluation images; None without an evaluation.
    """

    identity: Mapping[str, Any]
    step: int
    parameters: int
    temperature: float
    versions: Mapping[str, str]
    training: ImageSet
    validation: ImageSet | None
    evaluation: ImageSet | None
    found: Metrics | None


def make_card(facts: Facts) -> str:
    """Returns the card as Markdown."""
    sections = {
        "Model details": _details(facts),
        "Intended use": _USE,
        "Factors": _factors(facts),
        "Metrics": _METRICS if facts.found is None else [*_METRICS, _intervals(facts.found)],
        "Evaluation data": _evaluation_data(facts),
        "Training data": _training_data(facts),
        "Quantitative analyses": [NOT_JUDGED] if facts.found is None else _analyses(facts.found),
        "Ethical considerations": _ETHICS,
        "Caveats and recommendations": _caveats(facts),
    }
    parts = (f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items())
    return "# Model card: breast density in mammograms\n\n" + "\n\n".join(parts) + "\n"


_USE = (
    "- For research and teaching: estimates the breast-density category of one mammogram that was prepared in the same "
    "way as the training images.",
    "- Not for clinical use: the model is no medical device, and no decision about a person may depend on it.",
    "- Not for images of another kind than the training images, such as crops, photographs, or mammograms from another "
    "type of detector: nothing is known about its results on them.",
)
_METRICS = (
    "- accuracy: the share of images whose most probable category is the true one.",
    "- kappa: Cohen's kappa with quadratic weights; 1 is perfect agreement, 0 is chance.",
    "- AUC: the area under the one-versus-rest ROC curve, averaged over the categories; 0.5 is chance.",
    "- cross-entropy: the mean of -log of the probability of the true category, in nats.",
    "- expected calibration error: the mean difference between the highest probability and the accuracy, in 15 bins.",
    "- A breast or a patient is judged by the mean of the probabilities of its images.",
)
_ETHICS = (
    "- The images show people. Their consent and the terms of use are matters of the data set; nothing about them is "
    "recorded with the model.",
    "- The true categories are judgements of people, and the model learns their errors, too.",
    "- Age, origin and other attributes of the people are not recorded, so differences between such groups are not "
    "known.",
)


def _details(facts: Facts) -> Iterator[str]:
    model, training = facts.identity["architecture"], facts.identity["training"]
    networks = f"{model['seeds']} networks whose logits are averaged" if model["seeds"] > 1 else "one network"
    yield f"- Network `{model['network']}`, {networks}, {facts.parameters:,} parameters; step {facts.step:,}."
    yield (
        f"- Input: images of {model['height']} x {model['width']} pixels (height x width), raw values from 0 to 65535. "
        f"Output: the probability of each density category, 1 to {model['categories']}."
    )
    yield f"- Trained in {training['precision']}; computes in float32 when it is evaluated or used."
    how = "1, not calibrated" if facts.temperature == 1 else f"{facts.temperature:.3f}, fitted on the validation images"
    yield f"- Temperature: {how}."
    yield f"- Versions: {', '.join(f'{name} {version}' for name, version in facts.versions.items())}."
    yield ""
    yield from _table(("option", "value"), ((f"`--{name}`", f"{value}") for name, value in training.items()))


def _factors(facts: Facts) -> Iterator[str]:
    groups = [name for name, found in facts.found.subgroups.items() if found] if facts.found else []
    if groups:
        yield f"- The results are also given by {', '.join(groups)}, as the names of the images tell them."
    yield "- Other factors, such as scanner, film, age and size of the breast, were not examined."


def _intervals(found: Metrics) -> str:
    return f"- [low, high]: 95 % interval, percentiles of 10,000 bootstrap draws of {found.resampled}."


def _evaluation_data(facts: Facts) -> Iterator[str]:
    if facts.found is None or facts.evaluation is None:
        yield NOT_JUDGED
        return
    yield from _describe("Evaluation images", facts.evaluation)


def _training_data(facts: Facts) -> Iterator[str]:
    yield from _describe("Training images", facts.training)
    normalization = facts.identity["normalization"]
    yield f"- Mean of their pixels {normalization['mean']:.1f}, variance {normalization['variance']:.1f}."
    if facts.validation:
        yield from _describe("Validation images, of other patients", facts.validation)


def _describe(title: str, images: ImageSet) -> Iterator[str]:
    counts = ", ".join(f"{count:,}" for count in images.counts)
    yield f"- {title}: {len(images):,}; {counts} of density 1 to {images.categories}; {_patients(images)}."
    yield f"- SHA-256 of their pixels and labels: `{images.digest}`."


def _patients(images: ImageSet) -> str:
    patients = {schema.patient_in(name) for name in images.names}
    return "their patients are not known" if None in patients else f"{len(patients):,} patients"


def _analyses(found: Metrics) -> Iterator[str]:
    yield from _table(_SCORES, (_row("all images", found.images, found),))
    yield ""
    yield f"- AUC {format_number(found.auc)}, cross-entropy {found.loss:.3f} nats."
    yield f"- Expected calibration error {found.calibration.expected_error:.3f}."
    if found.dense:
        yield f"- AUC of density 3 and 4 against 1 and 2: {format_interval(found.dense.auc)}."
    units = {"by breast": found.breasts, "by patient": found.patients}
    rows = [_row(label, unit.count, unit) for label, unit in units.items() if unit]
    for name, groups in found.subgroups.items():
        rows += [_row(f"{name} {value}", group.count, group) for value, group in groups.items()]
    if rows:
        yield ""
        yield from _table(("", "count", *_SCORES[2:]), rows)
    if found.baselines:
        yield ""
        baselines = (
            (name, format_interval(it.accuracy), format_interval(it.kappa)) for name, it in found.baselines.items()
        )
        yield from _table(("baseline on the same images", *_SCORES[2:]), baselines)
    if found.beats_best_baseline:
        yield ""
        yield f"The model {found.beats_best_baseline.sentence}."
    yield ""
    categories = range(1, len(found.confusion) + 1)
    counted = ((f"true {n}", *counts) for n, counts in zip(categories, found.confusion, strict=True))
    yield from _table(("images", *(f"predicted {n}" for n in categories)), counted)


def _caveats(facts: Facts) -> Iterator[str]:
    yield "- The figures are of one training and one set of images; another seed or other images give other figures."
    if (found := facts.found) is None:
        yield "- Evaluate the model before it is used: `python -m trainer.evaluate`."
        return
    if facts.evaluation and (shared := shared_patients(facts.training, facts.evaluation)):
        yield f"- Patients with both training and evaluation images: {len(shared):,}. The figures are too favourable."
    if found.resampled == "images":
        yield "- The patients are not known, so the intervals are over images and may be too narrow."
    if found.beats_best_baseline and not found.beats_best_baseline.beats:
        yield "- The model is not shown to be better than a simple baseline, see above."
    absent = [str(category) for category, row in enumerate(found.confusion, 1) if not sum(row)]
    if absent:
        yield f"- No evaluation image has density {', '.join(absent)}."
    yield "- Evaluate it on images of your own before you rely on a figure: `python -m trainer.evaluate`."


def _row(label: str, count: int, scored: Any) -> Sequence[str]:
    return label, f"{count:,}", format_interval(scored.accuracy), format_interval(scored.kappa)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
