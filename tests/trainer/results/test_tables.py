import csv
import io

import numpy as np
from PIL import Image

from trainer.data.image_set import ImageSet
from trainer.results.evaluation import Predictions
from trainer.results.pictures import draw_reliability
from trainer.results.reliability import measure_calibration
from trainer.results.tables import format_predictions

NAMES = (
    "1_Calc-Test_P_00001_LEFT_CC", "1_Calc-Test_P_00001_LEFT_MLO", "3_Calc-Test_P_00001_RIGHT_CC", "2_P_00002_x", "",
)  # fmt: skip
PROBABILITIES = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0, 0, 0.1, 0.9], [0.1, 0.2, 0.3, 0.4], [0.25, 0.5, 0.125, 0.125]],
    np.float32,
)


def table(probabilities, names=NAMES):
    images = ImageSet("", names, np.zeros((5, 2, 2, 1), np.uint16), np.array([0, 0, 2, 1, 1]), probabilities.shape[1])
    text = format_predictions(images, Predictions(np.log(probabilities + 1e-9), probabilities)).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_the_columns_follow_the_earlier_ones():
    rows = table(PROBABILITIES)
    assert list(rows[0]) == [
        "name", "density", "predicted", "probability_1", "probability_2", "probability_3", "probability_4",
        "probability_dense", "predicted_breast", "predicted_patient",
    ]  # fmt: skip
    assert [row["name"] for row in rows] == list(NAMES)
    assert [row["probability_dense"] for row in rows] == [str(row[2] + row[3]) for row in PROBABILITIES]
    # the left breast has the means 0.4, 0.35, 0.15, 0.1; the patient 0.27, 0.23, 0.13, 0.37
    assert [row["predicted_breast"] for row in rows] == ["1", "1", "4", "", ""]
    assert [row["predicted_patient"] for row in rows] == ["4", "4", "4", "4", ""]


def test_without_names_the_units_are_empty():
    assert {row["predicted_breast"] + row["predicted_patient"] for row in table(PROBABILITIES, ("",) * 5)} == {""}


def test_only_four_categories_have_dense_ones():
    assert table(PROBABILITIES[:, :3])[0].keys() == {
        "name", "density", "predicted", "probability_1", "probability_2", "probability_3", "predicted_breast",
        "predicted_patient",
    }  # fmt: skip


def test_the_reliability_is_a_picture():
    calibration = measure_calibration(np.array([True, False, True, True, False]), PROBABILITIES, 1.0)
    first, second = draw_reliability(calibration), draw_reliability(calibration)
    assert first == second
    assert Image.open(io.BytesIO(first)).size == (450, 500)
