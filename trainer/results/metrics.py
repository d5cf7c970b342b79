"""Computes the metrics of a density classifier, with 95 % intervals of a bootstrap, see `bootstrap`."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from sklearn.metrics import confusion_matrix

from preprocess.contract import schema
from trainer.results import dense, roc, units
from trainer.results.agreement import Agreement, Categorized, measure_agreement
from trainer.results.bootstrap import Estimate, clusters_of, resample
from trainer.results.comparison import Comparison, compare
from trainer.results.metric_values import Baseline, Metrics, UnitMetrics
from trainer.results.metrics_text import format_metrics
from trainer.results.names import COLLECTIONS, collection_in, side_in, view_in
from trainer.results.reliability import measure_calibration
from trainer.results.scores import cross_entropy
from trainer.results.units import Units

__all__ = ("Metrics", "compute_metrics", "format_metrics")

_SUBGROUPS = {
    "view": (schema.VIEWS, view_in), "side": (schema.SIDES, side_in), "collection": (COLLECTIONS, collection_in),
}  # fmt: skip
_UNITS = {"breasts": units.BREASTS, "patients": units.PATIENTS}

_MODEL, _BASELINE, _SUBGROUP, _UNIT, _DENSE = "model", "baseline", "subgroup", "unit", "dense"
_Key = tuple[str, ...]
"""What a statistic of the bootstrap is about, e.g. ("subgroup", "view", "CC")."""


def compute_metrics(
    labels: np.ndarray, logits: np.ndarray, probabilities: np.ndarray, names: Sequence[str],
    baselines: Mapping[str, np.ndarray] | None = None, temperature: float = 1.0, seed: int = 0,
) -> Metrics:  # fmt: skip
    """Computes the metrics of N predictions.

    Args:
        labels: (N,) integers, the true labels, 0 to K - 1.
        logits, probabilities: (N, K) floats; the logits are divided by the temperature already.
        names: N names of images; "" if unknown.
        baselines: name -> (N, K) floats, probabilities, see `baselines`.
        temperature: by which the logits were divided; it is only recorded.
        seed: of the bootstrap.
    """
    categories, predicted = logits.shape[1], logits.argmax(axis=1)
    clusters, resampled = clusters_of(names)
    images = Categorized(labels, predicted, clusters, categories)
    combined = {unit: units.combine(names, probabilities, unit_in) for unit, unit_in in _UNITS.items()}
    combined = {unit: found for unit, found in combined.items() if (found.of_image >= 0).all()}
    items = {key: found for key, found in _items(images, names, baselines or {}, combined) if len(found.labels)}
    number = int(clusters.max()) + 1
    statistics = {key: found.statistic(number) for key, found in items.items()}
    if categories == dense.CATEGORIES:
        statistics[_DENSE,] = dense.dense_statistic(labels, probabilities, clusters)
    draws = resample(clusters, statistics, seed)
    agreements = {key: measure_agreement(found, draws[key]) for key, found in items.items()}
    model = agreements[_MODEL,]
    confusion = confusion_matrix(labels, predicted, labels=range(categories))
    totals = confusion.sum(axis=1)
    aucs = roc.areas_by_category(labels, probabilities)
    return Metrics(
        images=len(labels),
        accuracy=model.accuracy,
        kappa=model.kappa,
        loss=cross_entropy(labels, logits),
        auc=roc.mean(aucs),
        auc_by_category=aucs,
        recall=[float(confusion[label, label] / total) if total else None for label, total in enumerate(totals)],
        confusion=confusion.tolist(),
        majority_category=int(totals.argmax()) + 1,
        majority_accuracy=float(totals.max() / len(labels)),
        resampled=resampled,
        baselines=_baselines(labels, baselines, agreements) if baselines else None,
        beats_best_baseline=_comparison(baselines, agreements, draws) if baselines else None,
        breasts=_unit_metrics("breasts", labels, combined, agreements),
        patients=_unit_metrics("patients", labels, combined, agreements),
        calibration=measure_calibration(labels == predicted, probabilities, temperature),
        dense=dense.measure_dense(labels, probabilities, draws[_DENSE,]) if (_DENSE,) in draws else None,
        subgroups={
            attribute: {
                value: agreements[_SUBGROUP, attribute, value]
                for value in values
                if (_SUBGROUP, attribute, value) in agreements
            }
            for attribute, (values, _) in _SUBGROUPS.items()
        },
    )


def _items(
    images: Categorized, names: Sequence[str], baselines: Mapping[str, np.ndarray], combined: Mapping[str, Units]
) -> Iterator[tuple[_Key, Categorized]]:
    """Yields the items whose accuracy and kappa are computed, by key."""
    yield (_MODEL,), images
    for name, probabilities in baselines.items():
        predicted = probabilities.argmax(axis=1)
        yield (_BASELINE, name), Categorized(images.labels, predicted, images.clusters, images.categories)
    for attribute, (values, value_in) in _SUBGROUPS.items():
        told = np.array([value_in(name) or "" for name in names])
        yield from (((_SUBGROUP, attribute, value), images.select(told == value)) for value in values)
    for unit, found in combined.items():
        labels = found.labels(images.labels)
        items = Categorized(labels, found.predicted, found.clusters(images.clusters), images.categories)
        yield (_UNIT, unit), items.select(labels >= 0)


def _baselines(
    labels: np.ndarray, baselines: Mapping[str, np.ndarray], agreements: Mapping[_Key, Agreement]
) -> dict[str, Baseline]:
    found = {}
    for name, probabilities in baselines.items():
        agreement = agreements[_BASELINE, name]
        found[name] = Baseline(
            agreement.accuracy, agreement.kappa, roc.mean(roc.areas_by_category(labels, probabilities))
        )
    return found


def _comparison(
    baselines: Mapping[str, np.ndarray], agreements: Mapping[_Key, Agreement], draws: Mapping[_Key, np.ndarray]
) -> Comparison:
    return compare(
        agreements[_MODEL,],
        {name: agreements[_BASELINE, name] for name in baselines},
        draws[_MODEL,],
        {name: draws[_BASELINE, name] for name in baselines},
    )


def _unit_metrics(
    unit: str, labels: np.ndarray, combined: Mapping[str, Units], agreements: Mapping[_Key, Agreement]
) -> UnitMetrics | None:
    if unit not in combined:
        return None
    found, unit_labels = combined[unit], combined[unit].labels(labels)
    same = unit_labels >= 0
    undefined = Estimate(None, None, None)
    agreement = agreements.get((_UNIT, unit), Agreement(0, undefined, undefined))
    aucs = roc.areas_by_category(unit_labels[same], found.probabilities[same]) if same.any() else [None]
    return UnitMetrics(agreement.count, int((~same).sum()), agreement.accuracy, agreement.kappa, roc.mean(aucs))
