"""Work that is done for every film is counted for n and for 2 n films: it must double, not quadruple."""

import pytest

from preprocess.cases.descriptions import Mammogram, _reject_shared_series
from preprocess.cases.locate import FileIndex
from preprocess.cases.make_plan import locate_films, make_plan
from preprocess.cases.plan import Selection
from preprocess.dataset.reader import DataSet
from preprocess.dataset.verify import _presence
from preprocess.files.listing import ListedFile, Listing
from preprocess.runtime.errors import InputError

N = 300


def counting(method):
    def counted(self, *others):
        Counted.uses += 1
        return method(self, *others)

    return counted


class Counted(str):
    """A text that counts how often it is hashed, compared and written, all objects together."""

    uses = 0
    __hash__, __lt__, __repr__ = counting(str.__hash__), counting(str.__lt__), counting(str.__repr__)

    def casefold(self):
        return Counted(str.casefold(self))


class CountedFiles(dict):
    """A dict that counts the keys that are iterated over."""

    uses = 0

    def __iter__(self):
        for key in super().__iter__():
            CountedFiles.uses += 1
            yield key


def mammogram(number, split, path=""):
    kind = {"train": "Training", "test": "Test"}[split]
    patient = Counted(f"P_{number:05d}")
    name = Counted(f"Calc-{kind}_{patient}_LEFT_CC")
    return Mammogram(
        name, split, patient, "LEFT", "CC", "2", path or f"{name}/1.2.{number}/1.3.{number}.{len(kind)}/0.dcm"
    )


def plan_of(mammograms):
    files = {m.image_path: ListedFile(1) for m in mammograms}
    return make_plan(mammograms, locate_films(mammograms, FileIndex(Listing(files))), Selection())


def patients_in_both_splits(n):
    plan = plan_of([mammogram(number, split) for number in range(n) for split in ("train", "test")])
    assert plan.totals.overlapping_patients == n


def one_file_for_all(n):
    path = "1.2.3/1.2.3.4.5.dcm"
    named = [mammogram(number, "train", f"{number}/{path}") for number in range(n)]
    locations = locate_films(named, FileIndex(Listing({path: ListedFile(1)})))
    with pytest.raises(InputError, match=f"nothing is left to prepare: of {n} named mammograms {n} are rejected"):
        make_plan(named, locations, Selection())


def one_series_for_all(n):
    found = _reject_shared_series([mammogram(number, "train", "1.2.3/1.2.4/0.dcm") for number in range(n)])
    assert {m.fault.partition(":")[0] for m in found} == {f"its SeriesInstanceUID is that of {n} mammograms"}


@pytest.mark.parametrize("work", [patients_in_both_splits, one_file_for_all, one_series_for_all])
def test_the_work_of_planning_doubles(work):
    counts = []
    for n in (N, 2 * N):
        Counted.uses = 0
        work(n)
        counts.append(Counted.uses)
    assert counts[1] <= 2.3 * counts[0], counts


def test_the_work_of_finding_other_files_doubles():
    counts = []
    for n in (N, 2 * N):
        files = CountedFiles({f"small_train/1_{number}.png": {} for number in range(n)})
        CountedFiles.uses = 0
        assert list(_presence(DataSet("/out", {"files": files}), dict.fromkeys(files, 1))) == []
        counts.append(CountedFiles.uses)
    assert counts == [2 * N, 4 * N]
