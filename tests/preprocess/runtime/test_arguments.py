"""A wrong command line is one line, which names the nearest option, in every command."""

from importlib import import_module

import pytest

SUBMIT = ["submit", "--trainer=gpu", "--project=p", "--region=r", "--model_dir=gs://b/m"]
MISSPELT = [
    ("pipelines.preprocess", ["--inptu", "X", "--output", "Y"], "--inptu", "--input"),
    ("pipelines.preprocess", ["--input=X", "--ouput=/a b"], "--ouput", "--output"),
    ("pipelines.preprocess", ["--input", "X", "--output", "Y", "--train-csv", "a", "b"], "--train-csv", "--train_csv"),
    ("pipelines.preprocess", ["--input", "X", "--out", "Y"], "--out", "--output"),
    ("pipelines.preprocess", ["-input", "X", "--output", "Y"], "-input", "--input"),
    ("pipelines.preprocess", ["\N{EN DASH}input", "X"], "\N{EN DASH}input", "--input"),
    ("pipelines.preprocess", ["--INPUT=X"], "--INPUT", "--input"),
    ("pipelines.preprocess", ["--input:X"], "--input:X", "--input"),
    ("pipelines.preprocess", ["--runer=DirectRunner"], "--runer", "--runner"),
    ("pipelines.preprocess", ["--runner=DirectRunner", "--inptu=X"], "--inptu", "--input"),
    ("pipelines.preprocess_and_train", ["--trianer=gpu", "--input=X"], "--trianer", "--trainer"),
    ("pipelines.preprocess_and_train", ["--trainer=gpu", "--inptu=X"], "--inptu", "--input"),
    ("pipelines.preprocess_and_train", ["--tpu_zon=z"], "--tpu_zon", "--tpu_zone"),
    ("pipelines.preprocess_and_train", ["--num_worker=2"], "--num_worker", "--num_workers"),
    ("pipelines.report", ["--modle_dir", "M", "--html", "P"], "--modle_dir", "--model_dir"),
    ("pipelines.tune", ["--data=D", "--grdi", "loss=ordinal", "--output=X"], "--grdi", "--grid"),
    ("pipelines.make_sample", ["--ouptut", "X"], "--ouptut", "--output"),
    ("pipelines.vertex", ["submit", "--trianer=gpu", "--project=p"], "--trianer", "--trainer"),
    ("pipelines.vertex", [*SUBMIT, "--training_data_dri=gs://b/x"], "--training_data_dri", "--training_data_dir"),
    ("pipelines.vertex", [*SUBMIT, "--training_data=gs://b/x"], "--training_data", "--training_data_dir"),
    ("pipelines.vertex", ["status", "7", "--projct=p", "--region=r"], "--projct", "--project"),
    ("pipelines.vertex", ["status", "7", "--accelerator=a"], "--accelerator", None),
    ("pipelines.vertex", ["--projct=p", "status", "7", "--region=r"], "--projct", "--project"),
    ("trainer.gpu_model", ["--training_data=X", "--model_dir=M"], "--training_data", "--training_data_dir"),
    ("trainer.tpu_model", ["--training_dta=X", "--model_dir=M"], "--training_dta", "--training_data"),
    ("trainer.tpu_model", ["--training_data=X", "--eval-data=Y"], "--eval-data", "--eval_data"),
    ("pipelines.verify", ["--ouput=X"], "--ouput", None),
    ("pipelines.verify", ["OUT", "--hlep"], "--hlep", "--help"),
]


def error_of(module, words, capsys):
    """Runs a command; returns the only line that it prints, after "error: "."""
    assert import_module(module).main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(("module", "words", "name", "nearest"), MISSPELT)
def test_a_misspelt_option_is_named_with_the_nearest_one(module, words, name, nearest, capsys):
    question = f" did you mean {nearest}?" if nearest else ""
    assert error_of(module, words, capsys) == f"unknown option {name};{question} --help lists the options"


@pytest.mark.parametrize(("module", "words", "message"), [
    ("pipelines.preprocess", ["--output=Y"], "the following arguments are required: --input"),
    ("pipelines.preprocess_and_train", [], "the following arguments are required: --trainer, --input"),
    ("pipelines.verify", [], "the following arguments are required: OUT"),
    ("pipelines.report", [], "the following arguments are required: OUT"),
    ("pipelines.report", ["O", "--html"], "argument --html: expected one argument"),
    ("pipelines.tune", ["--grid", "loss=ordinal"], "the following arguments are required: --data, --output"),
    ("pipelines.tune", ["--data=D", "--output=X"], "one of the arguments --search --grid is required"),
    ("pipelines.make_sample", [], "the following arguments are required: --output"),
    ("pipelines.make_sample", ["--output=X", "--seed=x"], "argument --seed: invalid int value: 'x'"),
    ("pipelines.make_sample", ["--output=X", "--seed", "x y"], "argument --seed: invalid int value: 'x y'"),
    ("pipelines.vertex", [], "the following arguments are required: command"),
    ("pipelines.vertex", ["sumbit"], "argument command: invalid choice: 'sumbit' (choose from "),
    ("pipelines.vertex", ["status", "--project=p"], "the following arguments are required: JOB, --region"),
    ("trainer.gpu_model", [], "the following arguments are required: --training_data_dir"),
    ("trainer.tpu_model", [], "the following arguments are required: --training_data"),
    ("trainer.tpu_model", ["--training_data", "--eval_data", "Y"], "argument --training_data: expected at least one"),
])  # fmt: skip
def test_a_missing_option_and_a_wrong_value_are_one_line(module, words, message, capsys):
    assert error_of(module, words, capsys).startswith(message)


def test_values_that_look_like_numbers_or_follow_two_dashes_are_not_options(capsys):
    assert error_of("pipelines.make_sample", ["--output=X", "--patients", "-3"], capsys).startswith(
        "argument --patients: '-3' is not a number of patients"
    )
    message = error_of("pipelines.verify", ["--", "--nowhere"], capsys)
    assert "/--nowhere: contains no manifest.json" in message


def test_help_is_printed_beside_a_misspelt_option(capsys):
    with pytest.raises(SystemExit) as ended:
        import_module("pipelines.preprocess").main(["--inptu=X", "--help"])
    assert ended.value.code == 0
    assert "--max_rejected" in capsys.readouterr().out
