import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, log_loss, roc_auc_score

from trainer.results import agreement, bootstrap, metrics


def predictions(labels, seed=0, skill=1.5):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(labels), 4)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += skill
    exp = np.exp(logits)
    return logits, exp / exp.sum(axis=1, keepdims=True)


LABELS = np.random.default_rng(3).integers(0, 4, 200)


def test_scores_are_the_same_as_scikit_learns():
    logits, probabilities = predictions(LABELS)
    scores = metrics.compute_metrics(LABELS, logits, probabilities, [""] * 200)
    predicted = logits.argmax(1)
    assert scores.accuracy.value == accuracy_score(LABELS, predicted)
    assert scores.kappa.value == pytest.approx(cohen_kappa_score(LABELS, predicted, weights="quadratic"), abs=1e-12)
    assert scores.auc == pytest.approx(roc_auc_score(LABELS, probabilities, multi_class="ovr"), abs=1e-12)
    assert scores.loss == pytest.approx(log_loss(LABELS, probabilities), abs=1e-6)
    assert (scores.images, scores.resampled) == (200, "images")
    json.dumps(scores.as_dict(), allow_nan=False)


def test_scores_of_six_images_counted_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 3])
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 3, 3]]
    scores = metrics.compute_metrics(labels, logits, logits, [""] * 6)
    assert scores.confusion == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert scores.recall == [2 / 3, 1 / 2, None, 1.0]
    assert (scores.majority_category, scores.majority_accuracy) == (1, 0.5)
    assert scores.auc is None
    assert scores.auc_by_category[2] is None
    # weighted disagreement 1 + 4, relative to chance: row sums 3, 2, 0, 1 and column sums 2, 2, 0, 2, squared distances
    by_chance = (3 * (2 * 1 + 2 * 9) + 2 * (2 * 1 + 2 * 4) + 1 * (2 * 9 + 2 * 4)) / 6
    assert scores.kappa.value == pytest.approx(1 - 5 / by_chance, abs=1e-12)
    assert f"density 3     {'      0' * 4}    undefined" in metrics.format_metrics(scores)


def test_kappas_of_several_matrices_at_once():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, (2, 30, 50))
    confusions = np.zeros((30, 4, 4))
    for draw in range(30):
        np.add.at(confusions[draw], (labels[draw], predicted[draw]), 1)
    expected = [cohen_kappa_score(a, b, weights="quadratic") for a, b in zip(labels, predicted, strict=True)]
    np.testing.assert_allclose(agreement.quadratic_kappa(confusions), expected, atol=1e-12)


def test_intervals_are_those_of_a_bootstrap_over_patients():
    """Compared with a bootstrap in a loop, which draws patients with replacement and takes all their images."""
    names = [
        f"1_Calc-Test_P_{n // 4:05d}_{'LEFT' if n % 4 < 2 else 'RIGHT'}_{'CC' if n % 2 else 'MLO'}" for n in range(200)
    ]
    logits, probabilities = predictions(LABELS)
    scores = metrics.compute_metrics(LABELS, logits, probabilities, names)
    assert scores.resampled == "patients"
    rng, right, accuracies, kappas = np.random.default_rng(1), logits.argmax(1), [], []
    for _ in range(4000):
        rows = (4 * rng.integers(0, 50, 50)[:, None] + np.arange(4)).ravel()
        accuracies.append(accuracy_score(LABELS[rows], right[rows]))
        kappas.append(cohen_kappa_score(LABELS[rows], right[rows], weights="quadratic"))
    for estimate, draws in ((scores.accuracy, accuracies), (scores.kappa, kappas)):
        low, high = np.percentile(draws, (2.5, 97.5))
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.01)
        assert estimate.low < estimate.value < estimate.high


def test_images_of_one_patient_are_not_independent():
    labels = np.repeat(LABELS[:50], 4)
    logits, probabilities = (np.repeat(values, 4, axis=0) for values in predictions(LABELS[:50]))
    names = [f"1_Calc-Test_P_{n // 4:05d}_LEFT_CC" for n in range(200)]
    by_patient = metrics.compute_metrics(labels, logits, probabilities, names).accuracy
    by_image = metrics.compute_metrics(labels, logits, probabilities, [""] * 200).accuracy
    assert by_patient.high - by_patient.low > 1.7 * (by_image.high - by_image.low)


def test_undefined_scores_are_none():
    logits = np.eye(4, dtype=np.float32)[[2, 2, 2]]
    scores = metrics.compute_metrics(np.array([2, 2, 2]), logits, logits, [""] * 3)
    assert (scores.kappa.value, scores.kappa.low, scores.auc) == (None, None, None)
    assert (scores.accuracy.value, scores.accuracy.low, scores.accuracy.high) == (1, 1, 1)
    assert f"{'quadratic weighted kappa':36}undefined\n" in metrics.format_metrics(scores)


@pytest.mark.parametrize("piece", [1, 700, 10**9])
def test_the_intervals_do_not_depend_on_the_pieces_of_the_bootstrap(piece, monkeypatch):
    rng = np.random.default_rng(3)
    labels, logits = rng.integers(0, 4, 60), rng.normal(size=(60, 4))
    names = [f"1_Mass-Test_P_{n // 3:05d}_LEFT_CC" for n in range(60)]
    monkeypatch.setattr(bootstrap, "DRAWS", 300)
    expected = metrics.compute_metrics(labels, logits, logits, names)
    monkeypatch.setattr(bootstrap, "_PIECE", piece)
    assert metrics.compute_metrics(labels, logits, logits, names) == expected
