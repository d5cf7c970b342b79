"""Hyperparameters from YAML files and grids, and the trials that are made from them."""

import math

import pytest

from pipelines.tuning.drawing import all_combinations, draw_trials
from pipelines.tuning.space import Choice, Range, parse_grid, read_space
from preprocess.runtime.errors import InputError

SPACE = """
learning_rate: {low: 3e-4, high: 0.01, log: true}
batch_size: {low: 8, high: 64}
dropout: {low: 0, high: 0.5}
loss: [ordinal, crossentropy]
warmup_steps: [0, 50]
class_weights: [none]
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "space.yaml").write_text(text)
        return str(tmp_path / "space.yaml")

    return write


def test_a_yaml_file(write):
    space = read_space(write(SPACE))
    assert list(space.items()) == [
        ("learning_rate", Range(0.0003, 0.01, log=True, whole=False)),
        ("batch_size", Range(8, 64, log=False, whole=True)),
        ("dropout", Range(0.0, 0.5, log=False, whole=False)),
        ("loss", Choice(("ordinal", "crossentropy"))),
        ("warmup_steps", Choice(("0", "50"))),
        ("class_weights", Choice(("none",))),
    ]


@pytest.mark.parametrize(("text", "message"), [
    ("", "contains no hyperparameters; expected lines such as 'loss: [ordinal, crossentropy]'"),
    ("- loss", "contains no hyperparameters; expected lines such as 'loss: [ordinal, crossentropy]'"),
    ("loss: [ordinal", "is not YAML (while parsing a flow sequence"),
    ("lerning_rate: [1]", "unknown hyperparameter 'lerning_rate'; did you mean learning_rate? expected one of "),
    ("model_dir: [a]", "unknown hyperparameter 'model_dir'"),
    ("folds: [2]", "unknown hyperparameter 'folds'; expected one of network, "),
    ("loss: ordinal", "loss: expected a list of values, or low and high, but found 'ordinal'"),
    ("loss: []", "loss: expected a list of values, or low and high, but found []"),
    ("loss: [ordinal, 3]", "loss: argument --loss: invalid choice: '3' (choose from "),
    ("loss: [null]", "loss: None is not a number or a word; write it in quotation marks"),
    ("loss: [yes]", "loss: True is not a number or a word; write it in quotation marks"),
    ("loss: {low: 1, high: 2}", "loss: has no numbers; give a list of its values"),
    ("dropout: [0.1, 1]", "dropout: argument --dropout: '1' is not a number from 0 to below 1"),
    ("dropout: [0.1, 0.10]", "dropout: a value is given twice; leave one out"),
    ("dropout: {low: 0.1}", "dropout: expected low, high and, if wanted, log: true, but found {'low': 0.1}"),
    ("dropout: {low: 0, high: 0.5, step: 1}", "dropout: expected low, high and, if wanted, log: true, but found"),
    ("dropout: {low: 0, high: 0.5, log: 1}", "dropout: expected low, high and, if wanted, log: true, but found"),
    ("dropout: {low: 0.5, high: 0.5}", "dropout: low 0.5 and high 0.5; expected low < high, and low > 0 with log"),
    ("dropout: {low: 0, high: 0.5, log: true}", "dropout: low 0.0 and high 0.5; expected low < high, and low > 0 with"),
    ("batch_size: {low: 8.5, high: 9}", "batch_size: low: argument --batch_size: '8.5' is not a whole number"),
])  # fmt: skip
def test_a_wrong_yaml_file_is_one_line(write, text, message):
    path = write(text)
    with pytest.raises(InputError) as caught:
        read_space(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=r"none: cannot be read \(No such file or directory\); name a YAML file"):
        read_space(f"{tmp_path}/none")


def test_a_grid():
    grid = parse_grid(["learning_rate=0.001,3e-3", "loss=ordinal,crossentropy"])
    assert grid == {"learning_rate": Choice(("0.001", "3e-3")), "loss": Choice(("ordinal", "crossentropy"))}
    assert all_combinations(grid) == [
        {"learning_rate": "0.001", "loss": "ordinal"},
        {"learning_rate": "0.001", "loss": "crossentropy"},
        {"learning_rate": "3e-3", "loss": "ordinal"},
        {"learning_rate": "3e-3", "loss": "crossentropy"},
    ]


@pytest.mark.parametrize(("words", "message"), [
    (["loss"], "--grid loss: expected a name and values, e.g. learning_rate=0.001,0.003"),
    (["loss="], "--grid loss=: argument --loss: invalid choice: ''"),
    (["loss=ordinal", "loss=crossentropy"], "--grid loss=crossentropy: loss is given twice; give all its values"),
    (["batch=8"], "--grid: unknown hyperparameter 'batch'; did you mean batch_size? expected one of "),
    (["batch_size=8,8"], "--grid batch_size=8,8: a value is given twice; leave one out"),
    (["batch_size=8,0"], "--grid batch_size=8,0: argument --batch_size: '0' is not a whole number, 1 or more"),
])  # fmt: skip
def test_a_wrong_grid_is_one_line(words, message):
    with pytest.raises(InputError) as caught:
        parse_grid(words)
    assert str(caught.value).startswith(message)


def test_draws_are_a_function_of_the_seed_and_the_number(write):
    space = read_space(write(SPACE))
    drawn = draw_trials(space, 300, seed=7)
    assert draw_trials(space, 20, seed=7) == drawn[:20]
    assert draw_trials(space, 20, seed=8) != drawn[:20]
    assert len({tuple(trial.items()) for trial in drawn}) == 300
    for trial in drawn:
        assert list(trial) == list(space)
        assert 0.0003 <= float(trial["learning_rate"]) <= 0.01
        assert 8 <= int(trial["batch_size"]) <= 64
        assert 0 <= float(trial["dropout"]) <= 0.5
        assert trial["loss"] in ("ordinal", "crossentropy")
        assert (trial["warmup_steps"] in ("0", "50"), trial["class_weights"]) == (True, "none")
    below = sum(float(trial["learning_rate"]) < math.sqrt(0.0003 * 0.01) for trial in drawn)
    assert 110 <= below <= 190  # half of the draws on a logarithmic scale: 150, with a standard deviation of 9
    assert {trial["loss"] for trial in drawn} == {"ordinal", "crossentropy"}


def test_every_combination_is_drawn_once(write):
    space = read_space(write("loss: [ordinal, crossentropy]\nbatch_size: {low: 8, high: 9}\n"))
    drawn = draw_trials(space, 4, seed=0)
    assert sorted((trial["loss"], trial["batch_size"]) for trial in drawn) == [
        ("crossentropy", "8"), ("crossentropy", "9"), ("ordinal", "8"), ("ordinal", "9"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="--trials 5: the space has only 4 different combinations; give a smaller"):
        draw_trials(space, 5, seed=0)
