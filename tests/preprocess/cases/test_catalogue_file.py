"""catalogue.csv against the case descriptions and the index of the IDC, from which it was made."""

import collections
import csv
import re

import pytest

from tests import ROOT

CATALOGUE = ROOT / "preprocess/cases/catalogue.csv"
COLUMNS = ["mammogram_id", "collection", "split", "patient", "side", "view", "density", "study_uid", "series_uid",
           "idc_folder", "bytes"]  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    with open(CATALOGUE, newline="", encoding="ascii") as stream:
        reader = csv.DictReader(stream)
        assert reader.fieldnames == COLUMNS
        return list(reader)


def described(folder):
    """The columns of the catalogue that the case descriptions contain, sorted by mammogram ID."""
    found = {}
    for collection in ("calc", "mass"):
        for split in ("train", "test"):
            with open(folder / f"{collection}_case_description_{split}_set.csv", newline="") as stream:
                for row in csv.DictReader(stream):
                    mammogram_id, study, series, _ = row["image file path"].strip().split("/")
                    density = row["breast density" if collection == "calc" else "breast_density"]
                    cells = [row["patient_id"], row["left or right breast"], row["image view"], density, study, series]
                    row_of_catalogue = [mammogram_id, collection, split, *cells]
                    assert found.setdefault(mammogram_id, row_of_catalogue) == row_of_catalogue
    return [found[mammogram_id] for mammogram_id in sorted(found)]


def without_index(rows):
    return [[row[column] for column in COLUMNS[:9]] for row in rows]


def with_index(rows):
    return {row["series_uid"]: (row["study_uid"], row["idc_folder"], int(row["bytes"])) for row in rows}


def test_the_catalogue_agrees_with_the_case_descriptions(rows, real_csvs):
    assert without_index(rows) == described(real_csvs)


def test_the_catalogue_agrees_with_the_csv_export_of_the_index(rows, real_csvs):
    path = real_csvs / "idc_series.csv"
    if not path.exists():
        pytest.skip(f"no {path.name} in {real_csvs}")
    wanted = with_index(rows)
    with open(path, newline="") as stream:
        found = {
            row["SeriesInstanceUID"]: (row["StudyInstanceUID"], row["crdc_series_uuid"], int(row["bytes"]))
            for row in csv.DictReader(stream)
            if row["SeriesInstanceUID"] in wanted and row["instances"] == "1"
        }
    assert found == wanted


def test_the_catalogue_agrees_with_the_index_of_the_idc(rows):
    index = pytest.importorskip("idc_index_data", reason="idc-index-data is not installed")
    from pyarrow import parquet

    wanted = with_index(rows)
    columns = ["SeriesInstanceUID", "StudyInstanceUID", "crdc_series_uuid", "series_size_MB", "instanceCount"]
    table = parquet.read_table(
        index.IDC_INDEX_PARQUET_FILEPATH, columns=columns, filters=[("SeriesInstanceUID", "in", list(wanted))]
    )
    found = {}
    for series, study, folder, megabytes, instances in zip(*table.to_pydict().values(), strict=True):
        assert instances == 1
        found[series] = (study, folder, round(megabytes * 1e6))
    assert found == wanted


def test_the_catalogue_contains_every_mammogram_once(rows):
    assert len(rows) == 3103
    assert collections.Counter((row["collection"], row["split"]) for row in rows) == {
        ("calc", "train"): 1227, ("calc", "test"): 284, ("mass", "train"): 1231, ("mass", "test"): 361}  # fmt: skip
    assert [row["mammogram_id"] for row in rows] == sorted({row["mammogram_id"] for row in rows})
    for column in ("series_uid", "study_uid", "idc_folder"):
        assert len({row[column] for row in rows}) == 3103, column
    assert len({(row["mammogram_id"], row["series_uid"][-5:]) for row in rows}) == 3103


def test_the_cells_of_a_row_agree(rows):
    words = {"calc": "Calc", "mass": "Mass", "train": "Training", "test": "Test"}
    for row in rows:
        name = f"{words[row['collection']]}-{words[row['split']]}_{row['patient']}_{row['side']}_{row['view']}"
        assert row["mammogram_id"] == name
        assert row["side"] in ("LEFT", "RIGHT")
        assert row["view"] in ("CC", "MLO")
        assert re.fullmatch(r"1\.3\.6\.1\.4\.1\.9590\.100\.1\.2\.\d+", row["series_uid"])
        assert re.fullmatch(r"1\.3\.6\.1\.4\.1\.9590\.100\.1\.2\.\d+", row["study_uid"])
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", row["idc_folder"])


def test_the_densities_of_the_catalogue(rows):
    assert {row["mammogram_id"] for row in rows if row["density"] == "0"} == {
        "Calc-Test_P_01743_RIGHT_CC", "Calc-Test_P_01743_RIGHT_MLO"}  # fmt: skip
    counts = collections.Counter((row["split"], row["density"]) for row in rows if row["collection"] == "calc")
    assert [counts["train", density] for density in "1234"] == [113, 394, 423, 297]
    assert [counts["test", density] for density in "1234"] == [22, 97, 94, 69]
    assert {row["density"] for row in rows} == set("01234")


def test_the_sizes_of_the_films(rows):
    sizes = [int(row["bytes"]) for row in rows]
    assert round(sum(sizes) / 1e9, 1) == 102.6
    assert (round(min(sizes) / 1e6, 1), round(max(sizes) / 1e6, 1)) == (10.2, 74.6)
    assert all(size % 2 == 0 for size in sizes)
    assert all(str(size) == row["bytes"] for size, row in zip(sizes, rows, strict=True))
