import collections
import dataclasses
import random

import pytest

from preprocess.cases.descriptions import Mammogram
from preprocess.cases.locate import FileIndex
from preprocess.cases.make_plan import locate_films, make_plan
from preprocess.cases.plan import Selection, Totals
from preprocess.contract.schema import record_order
from preprocess.files.listing import ListedFile, Listing
from preprocess.runtime.errors import InputError
from tests.support.films import Described


def mammogram(case, split, density="2", fault=""):
    film = Described(case, density)
    return Mammogram(case, split, film.patient, film.side, film.view, density, film.path, fault)


def plan_of(mammograms, selection=None, missing=()):
    files = {m.image_path: 1000 + number for number, m in enumerate(mammograms) if m.mammogram_id not in missing}
    return plan_with(mammograms, files, selection)


def plan_with(mammograms, sizes, selection=None):
    """Returns the plan of files with these sizes."""
    index = FileIndex(Listing({path: ListedFile(size, f"version of {path}") for path, size in sizes.items()}))
    return make_plan(mammograms, locate_films(mammograms, index), selection or Selection())


TRAIN = [
    mammogram("Calc-Training_P_00001_LEFT_CC", "train", "1"),
    mammogram("Calc-Training_P_00001_LEFT_MLO", "train", "1"),
    mammogram("Mass-Training_P_00007_LEFT_CC", "train", "4"),
]
TEST = [mammogram("Mass-Test_P_00002_LEFT_CC", "test", "3"), mammogram("Calc-Test_P_00007_RIGHT_CC", "test", "4")]


def kinds(plan):
    """Returns {mammogram ID: (kind, stage)} of the omissions."""
    return {omission.mammogram_id: (omission.kind, omission.stage) for omission in plan.omissions}


def test_patients_of_the_test_set_are_excluded_from_the_training_set():
    plan = plan_of(TRAIN + TEST)
    assert [film.mammogram_id for film in plan.films if film.split == "train"] == [m.mammogram_id for m in TRAIN[:2]]
    assert kinds(plan) == {"Mass-Training_P_00007_LEFT_CC": ("excluded", "select")}
    assert plan.omissions[0].reason == "patient P_00007 is in the test descriptions"
    assert plan.totals == Totals(named=5, matched=5, duplicate_files=0, overlapping_patients=1)


def test_overlapping_patients_are_excluded_even_if_a_file_is_missing():
    assert kinds(plan_of(TRAIN + TEST, missing={"Calc-Test_P_00007_RIGHT_CC"})) == {
        "Mass-Training_P_00007_LEFT_CC": ("excluded", "select"),
        "Calc-Test_P_00007_RIGHT_CC": ("rejected", "match"),
    }


def test_patient_overlap_keep():
    assert len(plan_of(TRAIN + TEST, Selection(patient_overlap="keep")).films) == 5


def test_patient_overlap_error():
    with pytest.raises(InputError, match=r"1 patients are in both .*\(P_00007\); use --patient_overlap drop"):
        plan_of(TRAIN + TEST, Selection(patient_overlap="error"))


def test_a_mammogram_of_both_splits_is_excluded_from_the_training_set():
    both = [mammogram("Mass-Test_P_00002_LEFT_CC", "train", "3"), *TRAIN, *TEST]
    plan = plan_of(both, Selection(patient_overlap="keep"))
    assert [(o.split, o.kind, o.reason) for o in plan.omissions] == [
        ("train", "excluded", "the test descriptions name the same mammogram")
    ]


def test_other_views_are_excluded():
    plan = plan_of(TRAIN + TEST, Selection(views=("MLO",), patient_overlap="keep"))
    assert [film.mammogram_id for film in plan.films] == ["Calc-Training_P_00001_LEFT_MLO"]
    assert set(kinds(plan).values()) == {("excluded", "select")}


def test_mammograms_with_a_fault_or_without_a_file_are_rejected():
    faulty = mammogram("Calc-Test_P_00009_RIGHT_CC", "test", "0", fault="density '0' is not one of 1, 2, 3, 4")
    plan = plan_of([*TRAIN[:2], TEST[0], faulty], missing={TEST[0].mammogram_id})
    by_case = {omission.mammogram_id: omission for omission in plan.omissions}
    assert kinds(plan) == {faulty.mammogram_id: ("rejected", "csv"), TEST[0].mammogram_id: ("rejected", "match")}
    assert by_case[TEST[0].mammogram_id].source == TEST[0].image_path
    assert (plan.totals.named, plan.totals.matched) == (4, 3)


def test_the_subset_takes_the_first_of_each_category_in_record_order():
    train = [mammogram(f"Calc-Training_P_{n:05d}_LEFT_CC", "train", str(n % 4 + 1)) for n in range(40)]
    test = [mammogram(f"Calc-Test_P_{n:05d}_LEFT_CC", "test", str(n % 4 + 1)) for n in range(50, 70)]
    plan = plan_of(train + test, Selection(train_per_category=3, test_count=5))
    expected = {m.mammogram_id for m in sorted(test, key=lambda m: record_order(m.mammogram_id))[:5]}
    for density in "1234":
        of_category = [m for m in train if m.density == density]
        expected |= {m.mammogram_id for m in sorted(of_category, key=lambda m: record_order(m.mammogram_id))[:3]}
    assert {film.mammogram_id for film in plan.films} == expected
    assert collections.Counter(o.kind for o in plan.omissions) == {"excluded": 60 - 17}


def test_the_order_of_the_input_does_not_change_the_plan():
    shuffled = TRAIN + TEST
    plan = plan_of(shuffled)
    files = {m.image_path: 1000 + number for number, m in enumerate(shuffled)}
    random.Random(1).shuffle(shuffled)
    assert shuffled != TRAIN + TEST
    again = plan_with(shuffled, dict(reversed(files.items())))
    assert again == plan
    assert again.fingerprint({"a": 1}) == plan.fingerprint({"a": 1})
    assert plan.fingerprint({"a": 2}) != plan.fingerprint({"a": 1})


def test_the_fingerprint_depends_on_the_mammograms_and_not_on_their_files():
    files = {m.image_path: 1 for m in TRAIN + TEST}
    plan = plan_with(TRAIN + TEST, files)
    moved = plan_with(TRAIN + TEST, {f"moved/{path}": 2 for path in files})
    assert plan.fingerprint({}) == moved.fingerprint({})
    del files[TRAIN[0].image_path]
    assert plan_with(TRAIN + TEST, files).fingerprint({}) != plan.fingerprint({})


def test_patients_are_compared_without_case():
    lower = dataclasses.replace(TRAIN[2], patient="p_00007")
    plan = plan_of([*TRAIN[:2], lower, *TEST])
    assert kinds(plan) == {lower.mammogram_id: ("excluded", "select")}


def test_a_path_with_the_identities_of_two_mammograms_is_not_used():
    one, other = TRAIN[0], TEST[0]
    shared = f"{one.uids[1]}/{other.uids[1]}.dcm"
    plan = plan_with([one, other, TRAIN[1]], {shared: 1, TRAIN[1].image_path: 1})
    assert [film.mammogram_id for film in plan.films] == [TRAIN[1].mammogram_id]
    names = ", ".join(sorted((one.mammogram_id, other.mammogram_id)))
    assert {o.reason for o in plan.omissions} == {f"the path {shared} identifies several mammograms: {names}"}


def test_no_file_is_an_error():
    with pytest.raises(InputError, match="not one of the 5 mammograms that the case descriptions name has a file"):
        plan_of(TRAIN + TEST, missing={m.mammogram_id for m in TRAIN + TEST})


def test_an_empty_selection_is_an_error():
    with pytest.raises(InputError, match="nothing is left to prepare: of 2 named mammograms 2 are excluded"):
        plan_of([TRAIN[0], TRAIN[2]], Selection(views=("MLO",)))


def test_the_plan_of_cbis_ddsm(real_csvs):
    from pipelines.preparation.inputs import read_descriptions
    from preprocess.cases.descriptions import group_by_mammogram

    rows = [*read_descriptions([f"{real_csvs}/*train_set.csv"], "train")]
    rows += read_descriptions([f"{real_csvs}/*test_set.csv"], "test")
    plan = plan_of(group_by_mammogram(rows))
    counts = collections.Counter(film.split for film in plan.films)
    assert (plan.totals.named, plan.totals.matched, plan.totals.overlapping_patients) == (3103, 3103, 31)
    assert counts == {"train": 2394, "test": 643}
    assert collections.Counter(o.kind for o in plan.omissions) == {"rejected": 2, "excluded": 64}
