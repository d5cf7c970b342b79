"""Rounds over the folds, the trials that are dropped, and the table, compared with an independent computation."""

import csv
import io
import math

import numpy as np
import pytest

from pipelines.tuning.result import Result, read_best
from pipelines.tuning.rounds import below_median, run_rounds
from pipelines.tuning.table import format_table, ranked, score
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log

TRIALS, FOLDS = 13, 4


def results_of(kappas, failed=()):
    """Returns a function that gives the results of (trial, fold) pairs, and the list of the pairs it was asked for."""
    asked = []

    def train(wanted):
        asked.append(list(wanted))
        return [
            Result(0, failure="the loss of step 3 is nan") if (trial, fold) in failed
            else Result(10, 1 - kappas[trial - 1, fold], 0.5, kappas[trial - 1, fold], 0.7)
            for trial, fold in wanted
        ]  # fmt: skip

    return train, asked


def run(train, metric="kappa", trials=TRIALS, folds=FOLDS):
    reports = []
    outcomes = run_rounds(trials, folds, train, lambda results: score(results, metric), reports.append, Log())
    assert reports[-1] == outcomes
    assert len(reports) == folds
    return outcomes


@pytest.mark.parametrize("metric", ["kappa", "loss"])
def test_the_lower_half_is_dropped_after_each_fold(metric):
    kappas = np.random.default_rng(3).uniform(0, 1, (TRIALS, FOLDS))
    train, asked = results_of(kappas)
    outcomes = run(train, metric)  # the loss is 1 - kappa, so the order is the same
    left = list(range(TRIALS))
    for fold in range(FOLDS):
        assert asked[fold] == [(trial + 1, fold) for trial in left]
        means = kappas[left, : fold + 1].mean(axis=1)
        keep = math.ceil(len(left) / 2) if len(left) > 2 else len(left)
        best = np.argsort(-means)[:keep]
        left = [trial for number, trial in enumerate(left) if number in best]
    assert [len(pairs) for pairs in asked] == [13, 7, 4, 2]
    assert [outcome.trial for outcome in outcomes] == list(range(1, TRIALS + 1))
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    assert len(complete) == 2
    assert {len(outcome.results) for outcome in complete} == {FOLDS}
    assert {outcome.state for outcome in outcomes} == {"complete", "dropped"}


def test_below_median():
    assert below_median({1: 0.5, 2: 0.1, 3: 0.4}) == [2]
    assert below_median({1: 0.5, 2: 0.1, 3: 0.4, 4: 0.3}) == [2, 4]
    assert below_median({1: 0.5, 2: 0.1}) == []
    assert below_median({1: 0.5}) == []
    assert below_median({1: 0.5, 2: 0.5, 3: 0.5, 4: 0.1}) == [4]  # equal scores are treated equally
    assert below_median({1: math.nan, 2: 0.1, 3: 0.2}) == [1]
    assert below_median(dict.fromkeys(range(1, 5), math.nan)) == []


def test_a_trial_that_diverged_is_not_trained_again():
    train, asked = results_of(np.full((4, 2), 0.5), failed={(2, 0), (4, 1)})
    outcomes = run(train, trials=4, folds=2)
    assert asked == [[(1, 0), (2, 0), (3, 0), (4, 0)], [(1, 1), (3, 1), (4, 1)]]
    assert [outcome.state for outcome in outcomes] == ["complete", "failed", "complete", "failed"]
    train, _ = results_of(np.zeros((2, 2)), failed={(1, 0), (2, 0)})
    with pytest.raises(RunFailed, match=r"no trial is left: .* on fold 0 diverged, e.g. the loss of step 3 is nan"):
        run(train, trials=2, folds=2)


def test_the_table_and_the_order():
    kappas = np.array([[0.5, 0.7], [0.9, 0.8], [0.1, 0.0], [0.6, math.nan], [0.3, 0.3]])
    train, _ = results_of(kappas, failed={(5, 0)})
    outcomes = run(train, trials=5, folds=2)
    trials = [{"loss": "ordinal", "batch_size": str(number)} for number in range(5)]
    rows = list(csv.DictReader(io.StringIO(format_table(outcomes, trials, "kappa").decode())))
    assert list(rows[0]) == [
        "trial", "loss", "batch_size", "folds", "mean_kappa", "sd_kappa", "mean_accuracy", "mean_auc", "mean_loss",
        "state",
    ]  # fmt: skip
    assert [row["state"] for row in rows] == ["dropped", "complete", "dropped", "complete", "failed"]
    assert [row["folds"] for row in rows] == ["1", "2", "1", "2", "0"]
    assert float(rows[1]["mean_kappa"]) == pytest.approx(0.85, abs=1e-15)
    assert float(rows[1]["sd_kappa"]) == pytest.approx(np.std([0.9, 0.8], ddof=1), abs=1e-15)
    assert float(rows[1]["mean_loss"]) == pytest.approx(0.15, abs=1e-15)
    assert (rows[0]["mean_kappa"], rows[0]["sd_kappa"]) == ("0.5", "")
    assert (rows[3]["mean_kappa"], rows[3]["sd_kappa"], rows[4]["mean_kappa"]) == ("", "", "")
    assert [outcome.trial for outcome in ranked(outcomes, "kappa")] == [2, 4, 1, 3, 5]


def test_the_best_validation(tmp_path):
    path = tmp_path / "validation.csv"
    head = "step,loss,accuracy,quadratic_weighted_kappa,macro_auc\n"
    path.write_text(f"{head}10,1.0,0.2,nan,nan\n20,0.9,0.5,0.4,nan\n30,0.8,0.4,0.4,0.6\n40,0.7,0.6,0.3,0.7\n")
    assert read_best(path) == Result(30, 0.8, 0.4, 0.4, 0.6)
    for damaged in (head, f"{head}10,1.0\n", f"{head}x,1,1,1,1\n"):
        path.write_text(damaged)
        with pytest.raises(RunFailed, match=r"validation\.csv: is missing or damaged; delete this folder and run"):
            read_best(path)
