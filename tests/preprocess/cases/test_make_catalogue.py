"""The command that makes catalogue.csv, on small case descriptions and a small index."""

import csv
import re

import pytest

from preprocess.cases import make_catalogue
from tests import ROOT
from tests.support.films import MASS_COLUMNS, Described, write_csv

A, B = Described("Calc-Test_P_00038_LEFT_CC", "3"), Described("Mass-Training_P_00001_LEFT_MLO", "0")
FOLDERS = {film.series: f"0000000{n}-1111-2222-3333-444444444444" for n, film in enumerate((A, B))}
CSV_NAMES = ("SeriesInstanceUID", "StudyInstanceUID", "crdc_series_uuid", "instances", "bytes")
PARQUET_NAMES = ("SeriesInstanceUID", "StudyInstanceUID", "crdc_series_uuid", "instanceCount", "series_size_MB")


def row_of(film, instances=1, size=27844690, **changes):
    uids = {"SeriesInstanceUID": film.series, "StudyInstanceUID": film.study, "crdc_series_uuid": FOLDERS[film.series]}
    return {**uids, "instances": instances, "bytes": size, **changes}


def write_index(path, rows):
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, CSV_NAMES)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path, rows, collection="cbis_ddsm"):
    import pyarrow
    from pyarrow import parquet

    columns = {new: [row[old] for row in rows] for old, new in zip(CSV_NAMES, PARQUET_NAMES, strict=True)}
    columns["series_size_MB"] = [size if size is None else size / 1e6 for size in columns["series_size_MB"]]
    columns["collection_id"] = [collection for _ in rows]
    parquet.write_table(pyarrow.table(columns), path)
    return path


@pytest.fixture
def make(tmp_path, capsys):
    """A function that makes a catalogue and returns (exit status, output, catalogue)."""
    calc = write_csv(tmp_path / "calc_case_description_test_set.csv", [A, A])
    mass = write_csv(tmp_path / "mass_case_description_train_set.csv", [B], MASS_COLUMNS)

    def run(index, csvs=(mass, calc)):
        output = tmp_path / "catalogue.csv"
        words = ["--csv", *csvs, "--idc_index", index, "--output", output]
        status = make_catalogue.main([str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out + captured.err, output

    return run


@pytest.mark.parametrize("write", [write_index, write_parquet])
def test_one_row_for_each_mammogram_from_either_form_of_the_index(write, make, tmp_path):
    rows = [row_of(B, size=74600002), row_of(A), row_of(A, instances=2, SeriesInstanceUID="1.2.3")]
    status, output, catalogue = make(write(tmp_path / "index", rows))
    assert (status, output) == (0, f"2 mammograms, 0.1 GB: {catalogue}\n")
    assert catalogue.read_bytes().decode() == (
        "mammogram_id,collection,split,patient,side,view,density,study_uid,series_uid,idc_folder,bytes\n"
        f"Calc-Test_P_00038_LEFT_CC,calc,test,P_00038,LEFT,CC,3,{A.study},{A.series},{FOLDERS[A.series]},27844690\n"
        f"Mass-Training_P_00001_LEFT_MLO,mass,train,P_00001,LEFT,MLO,0,{B.study},{B.series},{FOLDERS[B.series]},"
        "74600002\n"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row_of(B)], f"{A.mammogram_id}: no series '{A.series}' in the index; expected the series of its CSV row"),
        ([row_of(A, instances=2), row_of(B)], f"{A.mammogram_id}: series {A.series} has 2 instances; expected one"),
        ([row_of(A, instances=0), row_of(B)], f"{A.mammogram_id}: series {A.series} has 0 instances; expected one"),
        (
            [row_of(A, StudyInstanceUID="1.2.3"), row_of(B)],
            f"{A.mammogram_id}: series {A.series} is in study '1.2.3' of the index; expected {A.study}",
        ),
        (
            [row_of(A), row_of(B), row_of(A)],
            f"index: series {A.series} is in two rows; expected one row for each series",
        ),
        (
            [row_of(A, crdc_series_uuid="../x"), row_of(B)],
            f"{A.mammogram_id}: folder '../x' of series {A.series} is not a UUID",
        ),
    ],
)
@pytest.mark.parametrize("write", [write_index, write_parquet])
def test_an_index_that_contradicts_the_case_descriptions(write, rows, message, make, tmp_path):
    status, output, catalogue = make(write(tmp_path / "index", rows))
    assert status == 2
    assert output.endswith(f"{message}\n")
    assert len(output.splitlines()) == 1
    assert not catalogue.exists()


def test_the_series_of_another_collection_are_not_read(make, tmp_path):
    status, output, _ = make(write_parquet(tmp_path / "index", [row_of(A), row_of(B)], collection="tcga_brca"))
    assert (status, output) == (
        2, f"error: {A.mammogram_id}: no series '{A.series}' in the index; expected the series of its CSV row\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column SeriesInstanceUID, StudyInstanceUID, bytes, crdc_series_uuid, instances; give the index"),
        (b"SeriesInstanceUID,StudyInstanceUID,bytes\n1,2,3\n", "no column crdc_series_uuid, instances; give the index"),
        (f"{','.join(CSV_NAMES)}\n1,2,3,one,4\n".encode(), "series '1' has 'one' instances of '4' bytes; expected num"),
        (f"{','.join(CSV_NAMES)}\n1,2,3\n".encode(), "series '1' has '' instances of '' bytes; expected numbers"),
        (f"{','.join(CSV_NAMES)}\n\xe4".encode("latin-1"), "neither a Parquet file nor a readable CSV file"),
        (f'{",".join(CSV_NAMES)}\n"never closed'.encode(), "neither a Parquet file nor a readable CSV file"),
        (b"PAR1", "not a readable Parquet file"),
        (b"PAR1" + bytes(100), "not a readable Parquet file"),
    ],
)
def test_a_file_that_is_no_index(content, message, make, tmp_path):
    (tmp_path / "index").write_bytes(content)
    status, output, _ = make(tmp_path / "index")
    assert status == 2
    assert re.search(message, output)
    assert len(output.splitlines()) == 1


def test_an_empty_cell_of_a_parquet_file(make, tmp_path):
    status, output, _ = make(write_parquet(tmp_path / "index", [row_of(A, size=None), row_of(B)]))
    assert (status, output) == (
        2, f"error: {tmp_path}/index: an empty cell in the row of series '{A.series}'; expected a value\n"
    )  # fmt: skip


def test_a_parquet_file_of_another_kind(make, tmp_path):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"x": [1]}), tmp_path / "index")
    status, output, _ = make(tmp_path / "index")
    assert (status, output.count("\n")) == (2, 1)
    assert "no column SeriesInstanceUID, StudyInstanceUID, collection_id, crdc_series_uuid, instanceCount" in output


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("some.csv", A, "its name does not say its collection and split"),
        ("mass_case_description_train_set.csv", A, "is not the ID of a mammogram of the train set of CBIS-DDSM"),
        (
            "calc_case_description_test_set.csv",
            ["P_1", "2", "LEFT", "CC", "case/1.2.3/4.5.6/0.dcm"],
            "'P_1_LEFT_CC' is not the ID of a mammogram of the test set",
        ),
        (
            "calc_case_description_test_set.csv",
            [*A.row[:4], f"images/{A.path}"],
            f"image file path 'images/{A.path}' is not <mammogram ID>/<UID>/<UID>/<name>",
        ),
        ("calc_case_description_test_set.csv", Described(A.mammogram_id, "5"), "density '5' is not one of 1, 2, 3, 4"),
        ("calc_case_description_test_set.csv", ["P_9", *A.row[1:]], "the mammogram ID contains P_00038 LEFT CC"),
    ],
)
def test_case_descriptions_with_faults(name, row, message, make, tmp_path):
    index = write_index(tmp_path / "index", [row_of(A), row_of(B)])
    status, output, _ = make(index, [write_csv(tmp_path / "other" / name, [row])])
    assert (status, output.count("\n")) == (2, 1)
    assert message in output


def test_a_file_that_does_not_exist(make, tmp_path):
    assert make(tmp_path / "none")[:2] == (
        2, f"error: {tmp_path}/none: no such file; give the case descriptions and the index\n"
    )  # fmt: skip


def test_the_catalogue_of_the_project_is_what_the_command_makes(make, real_csvs):
    if not (real_csvs / "idc_series.csv").exists():
        pytest.skip(f"no idc_series.csv in {real_csvs}")
    status, output, catalogue = make(real_csvs / "idc_series.csv", sorted(real_csvs.glob("*_set.csv")))
    assert (status, output) == (0, f"3,103 mammograms, 102.6 GB: {catalogue}\n")
    assert catalogue.read_bytes() == (ROOT / "preprocess/cases/catalogue.csv").read_bytes()
