import json

import numpy as np
import pytest

from tests.support.labelled import FLAGS, labelled_images, write_folder
from trainer import gpu_model
from trainer.data.image_set import ImageSet
from trainer.results.metrics import compute_metrics
from trainer.results.model_card import NOT_JUDGED, Facts, make_card

IDENTITY = {
    "architecture": {"network": "residual", "seeds": 1, "height": 16, "width": 12, "channels": 1, "categories": 4},
    "normalization": {"mean": 1234.56, "variance": 789.0},
    "training": {"loss": "ordinal", "learning_rate": 0.002, "precision": "bfloat16"},
}
VERSIONS = {"Python": "3.11.7", "TensorFlow": "2.21.0"}
SECTIONS = ["Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
            "Quantitative analyses", "Ethical considerations", "Caveats and recommendations"]  # fmt: skip


def image_set(names):
    labels = np.array([int(name[0]) - 1 for name in names])
    return ImageSet("a path", tuple(names), np.zeros((len(names), 16, 12, 1), np.uint16), labels, 4)


TRAINING = image_set([f"{d}_Calc-Training_P_{n:05d}_LEFT_CC" for n, d in enumerate([1, 1, 2, 3, 4])])
EVALUATION = image_set([
    "1_Calc-Test_P_00100_LEFT_CC", "1_Calc-Test_P_00100_LEFT_MLO", "2_Mass-Test_P_00101_RIGHT_CC",
    "2_Mass-Test_P_00102_RIGHT_CC", "4_Mass-Test_P_00004_RIGHT_MLO",
])  # fmt: skip


def facts(evaluation=EVALUATION, found=None, **changed):
    given = {"identity": IDENTITY, "step": 2000, "parameters": 338_948, "temperature": 1.0, "versions": VERSIONS,
             "training": TRAINING, "validation": None}  # fmt: skip
    return Facts(**given | {"evaluation": evaluation, "found": found} | changed)


def judged(images=EVALUATION, names=None, baselines=None):
    """The metrics of predictions of which only the fourth is wrong: it is 2 and is called 3."""
    probabilities = np.full((5, 4), 0.1, np.float32)
    probabilities[np.arange(5), [0, 0, 1, 2, 3]] = 0.7
    names = images.names if names is None else names
    return compute_metrics(images.labels, np.log(probabilities), probabilities, names, baselines)


def interval(estimate):
    return f"{estimate.value:.3f}  [{estimate.low:.3f}, {estimate.high:.3f}]"


def sections(card):
    """Returns {title: lines}."""
    head, *parts = card.split("\n## ")
    assert head == "# Model card: breast density in mammograms\n"
    return {part.splitlines()[0]: part.splitlines()[2:] for part in parts}


def test_the_figures_are_those_of_the_metrics_and_of_the_images():
    baselines = {"constant guess": np.tile(np.float32([0.4, 0.3, 0.2, 0.1]), (5, 1))}
    found = judged(baselines=baselines)
    card = sections(make_card(facts(found=found)))
    assert list(card) == SECTIONS
    assert card["Model details"] == [
        "- Network `residual`, one network, 338,948 parameters; step 2,000.",
        "- Input: images of 16 x 12 pixels (height x width), raw values from 0 to 65535. Output: the probability of "
        "each density category, 1 to 4.",
        "- Trained in bfloat16; computes in float32 when it is evaluated or used.",
        "- Temperature: 1, not calibrated.",
        "- Versions: Python 3.11.7, TensorFlow 2.21.0.",
        "",
        "| option | value |",
        "|---|---|",
        "| `--loss` | ordinal |",
        "| `--learning_rate` | 0.002 |",
        "| `--precision` | bfloat16 |",
    ]
    assert card["Evaluation data"] == [
        "- Evaluation images: 5; 2, 2, 0, 1 of density 1 to 4; 4 patients.",
        f"- SHA-256 of their pixels and labels: `{EVALUATION.digest}`.",
    ]
    assert card["Training data"] == [
        "- Training images: 5; 2, 1, 1, 1 of density 1 to 4; 5 patients.",
        f"- SHA-256 of their pixels and labels: `{TRAINING.digest}`.",
        "- Mean of their pixels 1234.6, variance 789.0.",
    ]
    results = card["Quantitative analyses"]
    assert f"| all images | 5 | {interval(found.accuracy)} | {interval(found.kappa)} |" in results
    assert found.accuracy.value == 0.8
    assert f"- AUC undefined, cross-entropy {(4 * -np.log(0.7) - np.log(0.1)) / 5:.3f} nats." in results
    assert "- Expected calibration error 0.100." in results  # 0.8 of the images are right, with a probability of 0.7
    assert any(line.startswith("| by patient | 4 | 0.750  [") for line in results)
    assert any(line.startswith("| by breast | 4 | 0.750  [") for line in results)
    for group, count, accuracy in (
        ("view CC", 3, 2 / 3), ("view MLO", 2, 1), ("side LEFT", 2, 1), ("side RIGHT", 3, 2 / 3),
        ("collection Calc", 2, 1), ("collection Mass", 3, 2 / 3),
    ):  # fmt: skip
        assert any(line.startswith(f"| {group} | {count} | {accuracy:.3f}  [") for line in results), group
    assert any(line.startswith("| constant guess | 0.400  [") for line in results)
    assert results[-5:] == [
        "|---|---|---|---|---|", "| true 1 | 2 | 0 | 0 | 0 |", "| true 2 | 0 | 1 | 1 | 0 |",
        "| true 3 | 0 | 0 | 0 | 0 |", "| true 4 | 0 | 0 | 0 | 1 |",
    ]  # fmt: skip
    assert f"The model {found.beats_best_baseline.sentence}." in results
    assert "- [low, high]: 95 % interval, percentiles of 10,000 bootstrap draws of patients." in card["Metrics"]
    caveats = "\n".join(card["Caveats and recommendations"])
    assert "- Patients with both training and evaluation images: 1. The figures are too favourable." in caveats
    assert "- No evaluation image has density 3." in caveats
    assert "a path" not in make_card(facts(found=found))


def test_images_without_names_have_no_subgroups_and_no_patients():
    nameless = ImageSet("", ("",) * 5, EVALUATION.pixels, EVALUATION.labels, 4)
    card = sections(make_card(facts(nameless, judged(nameless))))
    assert (
        card["Evaluation data"][0]
        == "- Evaluation images: 5; 2, 2, 0, 1 of density 1 to 4; their patients are not known."
    )
    assert not [line for line in card["Quantitative analyses"] if line.startswith(("| by", "| view", "| side"))]
    assert (
        "- The patients are not known, so the intervals are over images and may be too narrow."
        in (card["Caveats and recommendations"])
    )


def test_a_model_that_was_not_evaluated_has_a_card_that_says_so():
    card = sections(make_card(facts(evaluation=None, temperature=1.5, validation=EVALUATION)))
    assert list(card) == SECTIONS
    assert card["Evaluation data"][0] == card["Quantitative analyses"][0] == NOT_JUDGED
    assert "- Temperature: 1.500, fitted on the validation images." in card["Model details"]
    assert (
        "- Validation images, of other patients: 5; 2, 2, 0, 1 of density 1 to 4; 4 patients." in card["Training data"]
    )


@pytest.fixture
def data(tmp_path):
    for split, count, seed in (("train", 32, 0), ("test", 21, 1)):
        names, pixels, _ = labelled_images(count, seed, split=split.title())
        write_folder(tmp_path / split, names, pixels)
    return tmp_path


def test_trainings_and_evaluations_write_the_card(data):
    flags = [f"--training_data_dir={data}/train", f"--eval_data_dir={data}/test", f"--model_dir={data}/m", *FLAGS]
    assert gpu_model.main([*flags, "--training_steps=3"]) == 0
    card = (data / "m/model_card.md").read_text()
    metrics = json.loads((data / "m/metrics.json").read_text())
    accuracy, kappa = (
        f"{it['value']:.3f}  [{it['low']:.3f}, {it['high']:.3f}]" for it in (metrics["accuracy"], metrics["kappa"])
    )
    assert f"| all images | 21 | {accuracy} | {kappa} |" in card
    assert "`tutorial`" in card
    assert "| `--learning_rate` | 0.01 |" in card
    assert "--training_steps" not in card  # not recorded for a constant learning rate; the card names the step
    assert "; step 3." in card
    assert gpu_model.main([*flags, "--training_steps=0", "--learning_rate=0.5"]) == 0
    assert (data / "m/model_card.md").read_text() == card
    assert gpu_model.main([*flags, "--training_steps=4", "--eval_steps=0"]) == 0
    assert NOT_JUDGED in (data / "m/model_card.md").read_text()
