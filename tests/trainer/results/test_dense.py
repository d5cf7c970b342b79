import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.trainer.results.test_units import evaluated
from trainer.results.metrics import compute_metrics


def test_the_threshold_is_the_best_of_all():
    labels, logits, probabilities, names = evaluated(patients=60)
    found = compute_metrics(labels, logits, probabilities, names).dense
    score, dense = probabilities[:, 2] + probabilities[:, 3], labels >= 2
    assert found.auc.value == pytest.approx(roc_auc_score(dense, score))
    assert (found.dense_images, found.non_dense_images) == (dense.sum(), (~dense).sum())
    best = max(
        (np.mean(score[dense] >= threshold), -threshold) for threshold in score
        if np.mean(score[~dense] < threshold) >= 0.9
    )  # fmt: skip
    assert found.sensitivity == pytest.approx(best[0])
    assert np.float32(found.threshold) == -best[1]
    assert found.specificity == pytest.approx(np.mean(score[~dense] < -best[1]))
    assert found.dense_found == (score[dense] >= -best[1]).sum()
    assert found.non_dense_called_dense == (score[~dense] >= -best[1]).sum()


def test_the_interval_is_that_of_a_bootstrap_over_patients():
    labels, logits, probabilities, names = evaluated()
    found = compute_metrics(labels, logits, probabilities, names).dense.auc
    score, dense = probabilities[:, 2] + probabilities[:, 3], labels >= 2
    rows_of = [[n for n, name in enumerate(names) if f"P_{patient:05d}" in name] for patient in range(40)]
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(1500):
        rows = [row for patient in rng.integers(0, 40, 40) for row in rows_of[patient]]
        draws.append(roc_auc_score(dense[rows], score[rows]))
    assert (found.low, found.high) == pytest.approx(np.percentile(draws, (2.5, 97.5)), abs=0.015)


def test_equal_scores_count_half_in_every_draw():
    from trainer.results.roc import area_statistic

    rng = np.random.default_rng(0)
    dense, score, clusters = rng.integers(0, 2, 30) > 0, rng.integers(0, 4, 30) / 4, rng.integers(0, 8, 30)
    weights = rng.multinomial(8, [1 / 8] * 8, size=20).astype(float)
    found = area_statistic(dense, score, clusters)(weights)
    for row, value in zip(weights, found, strict=True):
        assert value == pytest.approx(roc_auc_score(dense, score, sample_weight=row[clusters]))


def test_no_threshold_where_the_highest_score_is_that_of_non_dense_images():
    labels = np.array([0, 1, 0, 2])
    probabilities = np.array([[0, 0, 1, 0]] * 3 + [[1, 0, 0, 0]], float)
    found = compute_metrics(labels, probabilities, probabilities, [""] * 4).dense
    assert (found.threshold, found.sensitivity, found.specificity) == (None, 0, 1)
    assert (found.auc.value, found.dense_found, found.non_dense_called_dense) == (0, 0, 0)


def test_only_four_categories_have_dense_ones():
    logits = np.eye(3)
    assert compute_metrics(np.arange(3), logits, logits, [""] * 3).dense is None


def test_without_dense_images_there_is_no_sensitivity():
    logits = np.eye(4)[[0, 1]]
    found = compute_metrics(np.array([0, 1]), logits, logits, [""] * 2).dense
    assert (found.sensitivity, found.auc.value, found.dense_images) == (None, None, 0)
