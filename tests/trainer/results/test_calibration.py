import numpy as np
import pytest
from scipy.special import softmax

from trainer.results.calibration import LIMITS, fit_temperature
from trainer.results.reliability import measure_calibration


def sample(count, sharpness, seed=0):
    """Labels that are drawn with the probabilities softmax(logits), and logits times the sharpness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, 4))
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits, axis=1)])
    return labels, logits * sharpness


@pytest.mark.parametrize("sharpness", [0.5, 1, 2.5])
def test_the_temperature_is_the_best_of_a_grid(sharpness):
    labels, logits = sample(500, sharpness)
    grid = np.arange(0.25, 4, 0.002)
    losses = [
        -np.log(softmax(logits / temperature, axis=1)[np.arange(500), labels]).mean() for temperature in grid
    ]  # fmt: skip
    assert fit_temperature(labels, logits.astype(np.float32)) == pytest.approx(grid[np.argmin(losses)], abs=0.003)


def test_the_temperature_stays_within_its_limits():
    _, logits = sample(200, 1)
    assert fit_temperature(logits.argmax(axis=1), logits) == pytest.approx(LIMITS[0], abs=1e-4)
    assert fit_temperature(logits.argmin(axis=1), logits) == pytest.approx(LIMITS[1], abs=1e-4)


def test_the_calibration_counted_in_a_loop():
    labels, logits = sample(300, 2)
    probabilities = softmax(logits, axis=1).astype(np.float32)
    is_right = probabilities.argmax(axis=1) == labels
    found = measure_calibration(is_right, probabilities, temperature=1.7)
    error = 0.0
    for number, one in enumerate(found.bins):
        assert (one.low, one.high) == (number / 15, (number + 1) / 15)
        rows = [n for n in range(300) if one.low < probabilities[n].max() <= one.high]
        assert one.count == len(rows)
        if not rows:
            assert (one.confidence, one.accuracy) == (None, None)
            continue
        confidence, accuracy = np.mean([float(probabilities[n].max()) for n in rows]), np.mean(is_right[rows])
        assert (one.confidence, one.accuracy) == (pytest.approx(confidence), pytest.approx(accuracy))
        error += len(rows) / 300 * abs(confidence - accuracy)
    assert sum(one.count for one in found.bins) == 300
    assert found.expected_error == pytest.approx(error, abs=1e-12)
    assert found.temperature == 1.7


def test_certain_and_undecided_predictions_are_in_a_bin():
    probabilities = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    found = measure_calibration(np.array([True, False]), probabilities, 1.0)
    assert [number for number, one in enumerate(found.bins) if one.count] == [3, 14]
    assert found.expected_error == pytest.approx((0 + 0.25) / 2)
