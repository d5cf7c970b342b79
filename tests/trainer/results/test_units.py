"""Metrics of breasts, patients and subgroups, and the names that tell them."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from trainer.results import names as names_module
from trainer.results import units
from trainer.results.metrics import compute_metrics


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3_Calc-Test_P_00038_LEFT_CC", ("Calc", "LEFT", "CC", "P_00038_LEFT")),
        ("Mass-Training_P_7_RIGHT_MLO", ("Mass", "RIGHT", "MLO", "P_7_RIGHT")),
        ("12_Mass-Training_P_00007_RIGHT_MLO_1", ("Mass", "RIGHT", "MLO", "P_00007_RIGHT")),
        ("3_LEFTOVER_CCC", (None, None, None, None)),
        ("3_other_LEFT_x", (None, "LEFT", None, None)),
        ("", (None, None, None, None)),
    ],
)
def test_what_a_name_tells(name, expected):
    readers = (names_module.collection_in, names_module.side_in, names_module.view_in, names_module.breast_in)
    assert tuple(reader(name) for reader in readers) == expected


def evaluated(seed=0, patients=40):
    """Labels, logits, probabilities and names of four views of each patient; some patients have two categories."""
    rng = np.random.default_rng(seed)
    labels, names = [], []
    for patient in range(patients):
        categories = np.repeat(rng.integers(0, 4, 2) if patient % 5 == 0 else [rng.integers(0, 4)] * 2, 2)
        for label, side, view in zip(categories, "LLRR", ("CC", "MLO") * 2, strict=True):
            collection, side_word = ("Calc", "Mass")[patient % 2], {"L": "LEFT", "R": "RIGHT"}[side]
            names.append(f"{label + 1}_{collection}-Test_P_{patient:05d}_{side_word}_{view}")
            labels.append(label)
    labels = np.array(labels)
    order = rng.permutation(len(labels))
    labels, names = labels[order], [names[n] for n in order]
    logits = rng.normal(0, 1, (len(labels), 4)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += 1
    exp = np.exp(logits)
    return labels, logits, exp / exp.sum(axis=1, keepdims=True), names


@pytest.mark.parametrize("unit", ["breasts", "patients"])
def test_units_have_the_mean_of_the_probabilities_of_their_images(unit):
    labels, logits, probabilities, names = evaluated()
    if unit == "breasts":
        labels[names.index(next(name for name in names if "P_00003_LEFT_CC" in name))] += 1
        labels %= 4
    groups = {}
    for number, name in enumerate(names):
        parts = name.split("_")
        groups.setdefault(tuple(parts[3 : 5 if unit == "breasts" else 4]), []).append(number)
    alike = {key: rows for key, rows in groups.items() if len(set(labels[rows])) == 1}
    means = np.array([probabilities[rows].mean(axis=0) for rows in alike.values()])
    expected = np.array([labels[rows[0]] for rows in alike.values()])
    found = getattr(compute_metrics(labels, logits, probabilities, names), unit)
    assert (found.count, found.left_out) == (len(alike), len(groups) - len(alike))
    assert found.left_out > 0
    assert found.accuracy.value == accuracy_score(expected, means.argmax(axis=1))
    assert found.kappa.value == pytest.approx(cohen_kappa_score(expected, means.argmax(axis=1), weights="quadratic"))
    assert found.auc == pytest.approx(roc_auc_score(expected, means, multi_class="ovr"))
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high


def test_the_interval_of_breasts_is_that_of_a_bootstrap_over_patients():
    labels, logits, probabilities, names = evaluated()
    found = compute_metrics(labels, logits, probabilities, names).breasts
    right = {}  # patient -> whether the prediction for each breast is right
    for side in ("LEFT", "RIGHT"):
        for patient in range(40):
            rows = [n for n, name in enumerate(names) if f"P_{patient:05d}_{side}" in name]
            right.setdefault(patient, []).append(probabilities[rows].mean(axis=0).argmax() == labels[rows[0]])
    rng = np.random.default_rng(1)
    draws = [np.mean([right[patient] for patient in rng.integers(0, 40, 40)]) for _ in range(4000)]
    low, high = np.percentile(draws, (2.5, 97.5))
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((low, high), abs=0.015)


def test_subgroups_contain_the_images_whose_names_tell_them():
    labels, logits, probabilities, names = evaluated()
    names[0] = "2_P_00077_other"  # no collection, side or view
    found = compute_metrics(labels, logits, probabilities, names)
    assert found.breasts is None
    assert found.patients.count + found.patients.left_out == 41
    words = {"view": ("CC", "MLO"), "side": ("LEFT", "RIGHT"), "collection": ("Calc", "Mass")}
    assert {attribute: tuple(groups) for attribute, groups in found.subgroups.items()} == words
    for attribute, values in words.items():
        for value in values:
            rows = [n for n, name in enumerate(names) if n and value in name]
            group, predicted = found.subgroups[attribute][value], logits[rows].argmax(axis=1)
            assert group.count == len(rows)
            assert group.accuracy.value == accuracy_score(labels[rows], predicted)
            assert group.kappa.value == pytest.approx(cohen_kappa_score(labels[rows], predicted, weights="quadratic"))
            assert group.kappa.low < group.kappa.value < group.kappa.high


def test_images_without_names_have_no_units_and_no_subgroups():
    labels, logits, probabilities, names = evaluated()
    found = compute_metrics(labels, logits, probabilities, [""] * len(names))
    assert (found.breasts, found.patients) == (None, None)
    assert found.subgroups == {"view": {}, "side": {}, "collection": {}}
    json.dumps(found.as_dict(), allow_nan=False)


def test_units_without_a_common_category():
    names = [f"{d}_Calc-Test_P_1_LEFT_{view}" for d, view in ((1, "CC"), (2, "MLO"))]
    logits = np.eye(4)[[0, 1]]
    found = compute_metrics(np.array([0, 1]), logits, logits, names)
    assert (found.breasts.count, found.breasts.left_out, found.breasts.accuracy.value) == (0, 1, None)


def test_means_of_units_of_which_some_are_unknown():
    found = units.combine(
        ["1_P_2_", "", "1_P_1_", "1_P_2_"], np.array([[1, 0], [0, 1], [0.5, 0.5], [0, 1]]), units.PATIENTS
    )
    assert found.of_image.tolist() == [1, -1, 0, 1]
    assert found.probabilities.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert found.labels(np.array([1, 0, 1, 0])).tolist() == [1, -1]
