import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import cohen_kappa_score, log_loss, roc_auc_score

from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.model_dir.folder import ModelDir
from trainer.results.scores import compute_scores
from trainer.results.validation import Validation
from trainer.settings import settings_for

LABELS = np.arange(40) % 4


def logits(right, seed=0):
    """Returns (40, 4) logits that are right for the first `right` images and one category off for the others."""
    said = np.where(np.arange(40) < right, LABELS, (LABELS + 1) % 4)
    return (4.0 * np.eye(4)[said] + np.random.default_rng(seed).normal(0, 0.3, (40, 4))).astype(np.float32)


def model(value):
    inputs = keras.Input((1,), name="inputs")
    built = keras.Model(inputs, keras.layers.Dense(1, name="dense")(inputs), name="model")
    built.set_weights([np.full((1, 1), value), np.zeros(1)])
    return built


def value_of(built):
    return built.get_weights()[0][0, 0]


def validation(folder, step=0, **given):
    return Validation(ModelDir(str(folder), folder), settings_for("residual", model_dir="", **given), step, Log())


def validate(folder, rights, **given):
    found = validation(folder, **given)
    for number, right in enumerate(rights, 1):
        found.add(200 * number, LABELS, logits(right), model(float(number)), Log())
    return found


def best_file(folder):
    return [path.name for path in folder.glob("best-*")]


def test_the_scores_are_those_of_scikit_learn():
    values = logits(25)
    found = compute_scores(LABELS, values)
    predicted = values.argmax(axis=1)
    probabilities = softmax(values.astype(np.float64), axis=1)
    assert found.accuracy == np.mean(predicted == LABELS) == 25 / 40
    assert found.quadratic_weighted_kappa == cohen_kappa_score(LABELS, predicted, weights="quadratic")
    assert found.macro_auc == pytest.approx(roc_auc_score(LABELS, probabilities, multi_class="ovr"), abs=1e-12)
    assert found.loss == pytest.approx(log_loss(LABELS, probabilities), abs=1e-12)


def test_undefined_scores():
    found = compute_scores(np.zeros(3, int), np.array([[9.0, 0, 0, 0]] * 3))
    assert np.isnan([found.quadratic_weighted_kappa, found.macro_auc]).all()


def test_the_weights_with_the_highest_kappa_are_kept(tmp_path, capsys):
    found = validate(tmp_path, [10, 30, 20])
    assert best_file(tmp_path) == ["best-400.weights.h5"]
    loaded = model(0.0)
    assert (found.load_best(loaded), value_of(loaded)) == (400, 2.0)
    rows = (tmp_path / "validation.csv").read_text().splitlines()
    assert rows[0] == "step,loss,accuracy,quadratic_weighted_kappa,macro_auc"
    expected = compute_scores(LABELS, logits(30))
    assert rows[2] == ",".join(["400", *map(repr, expected)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("the best so far") for line in lines] == [True, True, False]
    assert lines[1] == (
        f"validation after step 400: cross-entropy {expected.loss:.4f}, accuracy 0.750, kappa "
        f"{expected.quadratic_weighted_kappa:.3f}, the best so far"
    )


def test_of_equal_kappas_the_one_with_the_lower_loss_counts_and_then_the_first(tmp_path):
    found = validation(tmp_path)
    for step, factor in ((200, 1.0), (400, 1.5), (600, 1.5)):
        found.add(step, LABELS, factor * logits(40), model(float(step)), Log())
    assert best_file(tmp_path) == ["best-400.weights.h5"]


def test_a_validation_is_due_every_200_steps_and_at_the_end_once(tmp_path):
    found = validate(tmp_path, [10, 30])
    steps = (0, 200, 400, 500, 600, 2000)
    assert [found.is_due(step) for step in steps] == [False, False, False, False, True, True]


@pytest.mark.parametrize("rights", [[10, 30, 20, 25], [30, 20, 10, 25], [10, 20, 30, 25]])
def test_a_run_that_continues_after_its_best_step(tmp_path, rights):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    for folder in (whole, resumed):
        folder.mkdir()
        validate(folder, rights)
    again = validation(resumed, step=600)
    again.add(800, LABELS, logits(rights[3]), model(4.0), Log())
    assert (resumed / "validation.csv").read_bytes() == (whole / "validation.csv").read_bytes()
    assert best_file(resumed) == best_file(whole)
    for name in best_file(whole):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(("rights", "patience", "exhausted"), [
    ([30, 20], 2, False), ([30, 20, 20], 2, True), ([30, 20, 35], 2, False), ([30, 20, 20, 20], 0, False),
    ([], 1, False),
])  # fmt: skip
def test_patience(tmp_path, rights, patience, exhausted):
    assert validate(tmp_path, rights, patience=patience).is_exhausted == exhausted


def test_lost_weights_are_reported_and_the_next_validation_counts(tmp_path, capsys):
    validate(tmp_path, [10, 30])
    found = validation(tmp_path, step=200)
    assert "the best weights until step 200 are lost" in capsys.readouterr().err
    assert found.is_due(200)
    found.add(400, LABELS, logits(5), model(7.0), Log())
    assert best_file(tmp_path) == ["best-400.weights.h5"]


@pytest.mark.parametrize("content", [b"", b"no weights"])
def test_a_damaged_file_of_weights(tmp_path, content):
    found = validate(tmp_path, [10])
    (tmp_path / "best-200.weights.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"best-200.weights.h5: cannot be read .*; delete it, or give --keep last$"):
        found.load_best(model(0.0))
