"""The comparison of a model with baselines."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from tests.trainer.results.test_units import evaluated
from trainer.results.metrics import compute_metrics, format_metrics


def kappa(labels, predicted):
    return cohen_kappa_score(labels, predicted, weights="quadratic")


def with_errors(labels, share, seed):
    """Probabilities of which a share has a random highest category."""
    rng = np.random.default_rng(seed)
    predicted = np.where(rng.random(len(labels)) < share, rng.integers(0, 4, len(labels)), labels)
    return 0.6 * np.eye(4)[predicted] + 0.1


def test_baselines_have_their_metrics_and_the_difference_to_the_best_is_paired():
    labels, logits, probabilities, names = evaluated()
    baselines = {"poor": with_errors(labels, 0.9, 1), "good": with_errors(labels, 0.5, 2)}
    found = compute_metrics(labels, logits, probabilities, names, baselines)
    for name, values in baselines.items():
        assert found.baselines[name].accuracy.value == accuracy_score(labels, values.argmax(1))
        assert found.baselines[name].kappa.value == pytest.approx(kappa(labels, values.argmax(1)))
        assert found.baselines[name].auc == pytest.approx(roc_auc_score(labels, values, multi_class="ovr"))
    comparison = found.beats_best_baseline
    assert comparison.baseline == "good"
    model, other = logits.argmax(1), baselines["good"].argmax(1)
    assert comparison.kappa.value == pytest.approx(kappa(labels, model) - kappa(labels, other))
    assert comparison.accuracy.value == pytest.approx(accuracy_score(labels, model) - accuracy_score(labels, other))
    rows_of = [[n for n, name in enumerate(names) if f"P_{patient:05d}" in name] for patient in range(40)]
    rng, kappas, accuracies = np.random.default_rng(1), [], []
    for _ in range(1500):
        rows = np.array([row for patient in rng.integers(0, 40, 40) for row in rows_of[patient]])
        kappas.append(kappa(labels[rows], model[rows]) - kappa(labels[rows], other[rows]))
        accuracies.append(np.mean(labels[rows] == model[rows]) - np.mean(labels[rows] == other[rows]))
    for estimate, draws in ((comparison.kappa, kappas), (comparison.accuracy, accuracies)):
        assert (estimate.low, estimate.high) == pytest.approx(np.percentile(draws, (2.5, 97.5)), abs=0.02)
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("model_errors", "baseline_errors", "interval", "words"),
    [
        (0.1, 0.9, "above 0", "beats the best baseline (trees) by 0."),
        (0.9, 0.1, "below 0", "is worse than the best baseline (trees): the difference in kappa is -0."),
        (0.5, 0.5, "contains 0", "does not beat the best baseline (trees): the difference in kappa is "),
    ],
)
def test_the_result_in_words(model_errors, baseline_errors, interval, words):
    labels, _, _, names = evaluated()
    model = with_errors(labels, model_errors, 3)
    found = compute_metrics(labels, model, model, names, {"trees": with_errors(labels, baseline_errors, 4)})
    comparison = found.beats_best_baseline
    assert (comparison.interval, comparison.beats) == (interval, interval == "above 0")
    assert comparison.sentence.startswith(words)
    assert comparison.sentence.endswith("contains 0" if interval == "contains 0" else "]")
    text = format_metrics(found)
    assert text.endswith(f"\n\nThe model {comparison.sentence}.")
    assert "\nbaseline: trees " in text


def test_a_model_that_is_the_baseline_does_not_beat_it():
    labels, logits, probabilities, names = evaluated()
    comparison = compute_metrics(labels, logits, probabilities, names, {"itself": probabilities}).beats_best_baseline
    assert (comparison.kappa.value, comparison.kappa.low, comparison.kappa.high) == (0, 0, 0)
    assert not comparison.beats


def test_an_undefined_kappa_cannot_be_compared():
    values = np.eye(4)[[2, 2, 2]]
    found = compute_metrics(np.array([2, 2, 2]), values, values, [""] * 3, {"constant guess": values})
    assert (found.beats_best_baseline.interval, found.beats_best_baseline.kappa.value) == ("undefined", None)
    assert "cannot be compared with the best baseline (constant guess)" in format_metrics(found)


def test_without_baselines_there_is_no_comparison():
    labels, logits, probabilities, names = evaluated()
    found = compute_metrics(labels, logits, probabilities, names)
    assert (found.baselines, found.beats_best_baseline) == (None, None)
    assert "baseline" not in format_metrics(found)
