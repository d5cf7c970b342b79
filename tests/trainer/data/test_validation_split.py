import hashlib

import numpy as np
import pytest

from preprocess.runtime.errors import InputError
from trainer.data.image_set import ImageSet
from trainer.data.validation_split import split_for_validation
from trainer.settings import settings_for

VIEWS = [f"{side}_{view}" for side in ("LEFT", "RIGHT") for view in ("CC", "MLO")]


def images(patients, names=None):
    names = names or [f"1_Calc-Training_P_{patient:05d}_{view}" for patient in patients for view in VIEWS]
    count = len(names)
    pixels = np.arange(count, dtype=np.uint16)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint16)
    return ImageSet("train", tuple(names), pixels, np.zeros(count, np.int64), 4)


def split(patients, **given):
    return split_for_validation(images(patients), settings_for("residual", model_dir="", **given))


def patients_of(found):
    return {name.split("_")[3] for name in found.names}


def test_a_tenth_of_the_patients_is_held_out_by_the_hash_of_their_names():
    training, validation = split(range(1000))
    digests = {f"{n:05d}": hashlib.sha256(f"validation P_{n:05d}".encode()).hexdigest() for n in range(1000)}
    expected = {patient for patient, digest in digests.items() if int(digest[:12], 16) < 0.1 * 16**12}
    assert patients_of(validation) == expected
    assert 80 < len(expected) < 120
    assert patients_of(training) == {f"{n:05d}" for n in range(1000)} - expected
    assert len(training) + len(validation) == 4000
    for found in (training, validation):  # pixels and names still belong together
        numbers = [
            4 * int(name.split("_")[3]) + VIEWS.index(name[-len(name.split("_", 4)[4]) :]) for name in found.names
        ]
        np.testing.assert_array_equal(found.pixels[:, 0, 0, 0], numbers)


def test_every_patient_is_in_one_of_the_folds_also_if_there_are_others():
    folds = [patients_of(split(range(500), folds=5, fold=fold)[1]) for fold in range(5)]
    assert sum(map(len, folds)) == len(set.union(*folds)) == 500
    for fold in range(5):
        assert patients_of(split(range(250, 900), folds=5, fold=fold)[1]) & {f"{n:05d}" for n in range(250, 500)} == {
            patient for patient in folds[fold] if int(patient) >= 250
        }


def test_no_validation():
    training, validation = split(range(10), validation_share=0.0)
    assert (len(training), validation) == (40, None)


@pytest.mark.parametrize(("patients", "given", "message"), [
    ([2], {}, "train: --validation_share 0.1 holds out no patient of 1; give another share, or "
              "--validation_share 0 for no validation"),
    ([2], {"validation_share": 0.999999}, "train: --validation_share 0.999999 holds out every patient of 1; "),
    ([2], {"folds": 2, "fold": 0}, "train: --folds 2 holds out "),
])  # fmt: skip
def test_an_empty_side(patients, given, message):
    with pytest.raises(InputError) as raised:
        split(patients, **given)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(("name", "shown"), [("1_somebody", "'1_somebody'"), ("", "an image without a name")])
def test_a_patient_that_is_not_known(name, shown):
    with pytest.raises(InputError, match=r"give --validation_share 0$") as raised:
        split_for_validation(images((), [name]), settings_for("residual", model_dir=""))
    assert f"the patient of {shown} is not known" in str(raised.value)
