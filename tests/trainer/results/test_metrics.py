import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, log_loss, roc_auc_score

from trainer.results import metrics


def predictions(labels, seed=0, skill=1.5):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(labels), 4)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += skill
    exp = np.exp(logits)
    return logits, exp / exp.sum(axis=1, keepdims=True)


LABELS = np.random.default_rng(3).integers(0, 4, 200)


def test_scores_are_those_of_scikit_learn():
    logits, probabilities = predictions(LABELS)
    found = metrics.compute_metrics(LABELS, logits, probabilities, [""] * 200)
    predicted = logits.argmax(1)
    assert found.accuracy.value == accuracy_score(LABELS, predicted)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(LABELS, predicted, weights="quadratic"), abs=1e-12)
    assert found.auc == pytest.approx(roc_auc_score(LABELS, probabilities, multi_class="ovr"), abs=1e-12)
    assert found.loss == pytest.approx(log_loss(LABELS, probabilities), abs=1e-6)
    assert (found.images, found.resampled) == (200, "images")
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_confusion_matrix_that_can_be_counted_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 3])
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 3, 3]]
    found = metrics.compute_metrics(labels, logits, logits, [""] * 6)
    assert found.confusion == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert found.recall == [2 / 3, 1 / 2, None, 1.0]
    assert (found.majority_category, found.majority_accuracy) == (1, 0.5)
    assert found.auc is None
    assert found.auc_by_category[2] is None
    # disagreement 1 + 4 against that of chance: rows 3, 2, 0, 1 times columns 2, 2, 0, 2 times squares, over 6
    by_chance = (3 * (2 * 1 + 2 * 9) + 2 * (2 * 1 + 2 * 4) + 1 * (2 * 9 + 2 * 4)) / 6
    assert found.kappa.value == pytest.approx(1 - 5 / by_chance, abs=1e-12)
    assert f"density 3     {'      0' * 4}    undefined" in metrics.format_metrics(found)


def test_kappas_of_many_matrices_at_once():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, (2, 30, 50))
    confusions = np.zeros((30, 4, 4))
    for draw in range(30):
        np.add.at(confusions[draw], (labels[draw], predicted[draw]), 1)
    expected = [cohen_kappa_score(a, b, weights="quadratic") for a, b in zip(labels, predicted, strict=True)]
    np.testing.assert_allclose(metrics.quadratic_kappa(confusions), expected, atol=1e-12)


def test_intervals_are_those_of_resampled_patients():
    """Against a bootstrap written out: patients are drawn with replacement, all their images come along."""
    names = [
        f"1_Calc-Test_P_{n // 4:05d}_{'LEFT' if n % 4 < 2 else 'RIGHT'}_{'CC' if n % 2 else 'MLO'}" for n in range(200)
    ]
    logits, probabilities = predictions(LABELS)
    found = metrics.compute_metrics(LABELS, logits, probabilities, names)
    assert found.resampled == "patients"
    rng, right, accuracies, kappas = np.random.default_rng(1), logits.argmax(1), [], []
    for _ in range(4000):
        rows = (4 * rng.integers(0, 50, 50)[:, None] + np.arange(4)).ravel()
        accuracies.append(accuracy_score(LABELS[rows], right[rows]))
        kappas.append(cohen_kappa_score(LABELS[rows], right[rows], weights="quadratic"))
    for estimate, draws in ((found.accuracy, accuracies), (found.kappa, kappas)):
        low, high = np.percentile(draws, (2.5, 97.5))
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.01)
        assert estimate.low < estimate.value < estimate.high


def test_views_of_one_breast_are_not_counted_as_independent():
    labels = np.repeat(LABELS[:50], 4)
    logits, probabilities = (np.repeat(values, 4, axis=0) for values in predictions(LABELS[:50]))
    names = [f"1_Calc-Test_P_{n // 4:05d}_LEFT_CC" for n in range(200)]
    by_patient = metrics.compute_metrics(labels, logits, probabilities, names).accuracy
    by_image = metrics.compute_metrics(labels, logits, probabilities, [""] * 200).accuracy
    assert by_patient.high - by_patient.low > 1.7 * (by_image.high - by_image.low)


def test_what_is_undefined_is_said_so():
    logits = np.eye(4, dtype=np.float32)[[2, 2, 2]]
    found = metrics.compute_metrics(np.array([2, 2, 2]), logits, logits, [""] * 3)
    assert (found.kappa.value, found.kappa.low, found.auc) == (None, None, None)
    assert (found.accuracy.value, found.accuracy.low, found.accuracy.high) == (1, 1, 1)
    assert "quadratic weighted kappa    undefined\n" in metrics.format_metrics(found)
