import hashlib

import pytest

from preprocess.contract import schema


def test_image_names_are_parsed_to_what_was_formatted():
    name = schema.image_name(3, "Calc-Test_P_00038_LEFT_CC")
    assert name == "3_Calc-Test_P_00038_LEFT_CC"
    assert schema.parse_image_name(name) == (3, "Calc-Test_P_00038_LEFT_CC")


@pytest.mark.parametrize("name", ["0_x", "5_x", "3_", "3", "x", ""])
def test_invalid_image_names_are_refused(name):
    with pytest.raises(ValueError, match="is not <density 1-4>_<mammogram ID>"):
        schema.parse_image_name(name)


def test_output_names_are_those_of_the_tutorial():
    assert schema.image_file("train", 1, "x") == "small_train/1_x.png"
    assert schema.image_file("test", 4, "x") == "small_test/4_x.png"
    assert schema.record_file("train", 0, 1) == "cache/ddsm_train.tfrecords"
    assert schema.record_file("test", 0, 1) == "cache/ddsm_eval.tfrecords"
    assert schema.record_file("train", 2, 12) == "cache/ddsm_train-00002-of-00012.tfrecords"


def test_labels_begin_at_zero():
    assert [schema.label_of(density) for density in schema.DENSITIES] == [0, 1, 2, 3]


def test_record_order_is_the_order_of_sha256():
    cases = [f"case-{number}" for number in range(50)]
    expected = sorted(cases, key=lambda case: hashlib.sha256(case.encode()).hexdigest())
    assert sorted(cases, key=schema.record_order) == expected
    assert expected != cases
