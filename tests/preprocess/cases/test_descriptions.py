import collections
import io

import pytest

from preprocess.cases.descriptions import group_by_mammogram, read_rows
from preprocess.runtime.errors import InputError
from tests.support.films import CALC_COLUMNS, MASS_COLUMNS, Described

CASE = "Calc-Test_P_00038_LEFT_CC"
PATH = f"{CASE}/1.2.3/4.5.6/000000.dcm"
HEADER = ",".join(CALC_COLUMNS)


def mammograms(*lines, header=HEADER, split="train"):
    return group_by_mammogram(read_rows(io.StringIO("\n".join((header, *lines)) + "\n", newline=""), "some.csv", split))


def fault(*lines):
    (mammogram,) = mammograms(*lines)
    return mammogram.fault


@pytest.mark.parametrize("columns", [CALC_COLUMNS, MASS_COLUMNS])
def test_both_spellings_of_the_density_column_are_read(columns):
    (mammogram,) = mammograms(f"P_00038,3,LEFT,CC,{PATH}", header=",".join(columns))
    assert mammogram.density == "3"
    assert mammogram.fault == ""


def test_several_rows_of_two_lines_each_give_one_mammogram():
    header = f"{HEADER},cropped image file path,ROI mask file path"
    rows = [f'P_00038,2,LEFT,CC,{PATH},"{CASE}_{n}/1/2/000001.dcm\n",{CASE}_{n}/1/2/000000.dcm' for n in (1, 2)]
    (mammogram,) = mammograms(*rows, header=header)
    assert (mammogram.mammogram_id, mammogram.patient, mammogram.side, mammogram.view) == (
        CASE,
        "P_00038",
        "LEFT",
        "CC",
    )
    assert mammogram.uids == ("1.2.3", "4.5.6")
    assert mammogram.fault == ""


def test_cells_are_stripped_and_blank_lines_ignored():
    (mammogram,) = mammograms(f" P_00038 , 2 , left ,CC, {PATH}\t", "", "   ")
    assert (mammogram.patient, mammogram.density, mammogram.side, mammogram.image_path) == (
        "P_00038", "2", "LEFT", PATH)  # fmt: skip
    assert mammogram.fault == ""


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    from pipelines.preparation.inputs import read_descriptions

    file = tmp_path / "bom.csv"
    file.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\nP_00038,2,LEFT,CC,{PATH}\n".encode())
    (row,) = read_descriptions([str(file)], "train")
    assert row.patient == "P_00038"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (f"P_00038,0,LEFT,CC,{PATH}", "density '0' is not one of 1, 2, 3, 4"),
        (f"P_00038,,LEFT,CC,{PATH}", "density '' is not one of 1, 2, 3, 4"),
        (f"P_00038,2.0,LEFT,CC,{PATH}", "density '2.0' is not one of 1, 2, 3, 4"),
        ("P_00038,2,LEFT,CC,", "no image file path"),
        ("P_00038,2,LEFT,CC,../x/y/000000.dcm", "leaves the input root"),
        (f"P_00038,2,LEFT,CC,{CASE}/../../000000.dcm", "leaves the input root"),
        (f"P_00038,2,LEFT,CC,/{CASE}/1/000000.dcm", "leaves the input root"),
        ("P_00038,2,LEFT,CC,C:\\films\\1\\000000.dcm", "leaves the input root"),
        (f"P_00038,2,LEFT,CC,gs://bucket/{CASE}/000000.dcm", "leaves the input root"),
        (f"P_00038,2,LEFT,CC,{CASE}/000000.dcm", "is not <mammogram ID>/<StudyUID>/<SeriesUID>/000000.dcm"),
        ("P_00038,2,LEFT,CC,a b/1/2/000000.dcm", "mammogram ID 'a b' cannot be part of a file name"),
        ("P_00038,2,LEFT,CC,-rf/1/2/000000.dcm", "mammogram ID '-rf' cannot be part of a file name"),
        (f"P_00039,2,LEFT,CC,{PATH}", "the mammogram ID contains P_00038 LEFT CC, the columns contain P_00039 LEFT CC"),
        ("P_1,2,BOTH,CC,other/1/2/000000.dcm", "side 'BOTH' is not one of LEFT, RIGHT"),
        ("P_1,2,LEFT,XY,other/1/2/000000.dcm", "view 'XY' is not one of CC, MLO"),
        (",2,LEFT,CC,other/1/2/000000.dcm", "patient id '' cannot be part of a file name"),
    ],
)
def test_invalid_rows_have_a_fault(cells, message):
    assert message in fault(cells)


def test_contradicting_rows_have_a_fault():
    assert fault(f"P_00038,2,LEFT,CC,{PATH}", f"P_00038,3,LEFT,CC,{PATH}") == (
        "its rows contradict each other in density: '2', '3'")  # fmt: skip
    other = PATH.replace("4.5.6", "4.5.7")
    assert "image file path" in fault(f"P_00038,2,LEFT,CC,{PATH}", f"P_00038,2,LEFT,CC,{other}")


def test_a_mammogram_with_different_densities_in_the_splits_has_a_fault_in_both():
    rows = [
        *read_rows(io.StringIO(f"{HEADER}\nP_00038,2,LEFT,CC,{PATH}\n"), "a.csv", "train"),
        *read_rows(io.StringIO(f"{HEADER}\nP_00038,3,LEFT,CC,{PATH}\n"), "b.csv", "test"),
    ]
    assert [(m.split, "density: '2', '3'" in m.fault) for m in group_by_mammogram(rows)] == [
        ("test", True),
        ("train", True),
    ]


def test_the_mammogram_id_of_a_row_without_a_path_consists_of_its_other_columns():
    (mammogram,) = mammograms("P_00038,2,LEFT,CC,")
    assert mammogram.mammogram_id == "P_00038_LEFT_CC"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient_id,image view\nx,CC\n", "some.csv: no column 'breast density' and no column 'left or right breast'"),
        ("", "some.csv: no column 'patient id'"),
        (HEADER + "\n", "some.csv: no row below its header"),
        (HEADER + '\n"never closed', "some.csv: not a readable CSV file"),
    ],
)
def test_invalid_case_descriptions_end_the_run(text, message):
    with pytest.raises(InputError, match=message):
        list(read_rows(io.StringIO(text, newline=""), "some.csv", "train"))


def test_the_test_helper_writes_the_columns_of_the_real_files():
    film = Described(CASE, "4")
    assert film.row[:4] == ["P_00038", "4", "LEFT", "CC"]


@pytest.mark.parametrize(
    ("file", "rows", "densities"),
    [
        ("calc_case_description_train_set.csv", 1546, {"1": 113, "2": 394, "3": 423, "4": 297}),
        ("calc_case_description_test_set.csv", 326, {"0": 2, "1": 22, "2": 97, "3": 94, "4": 69}),
        ("mass_case_description_train_set.csv", 1318, None),
        ("mass_case_description_test_set.csv", 378, None),
    ],
)
def test_the_case_descriptions_of_cbis_ddsm(real_csvs, file, rows, densities):
    mammograms_of = {"calc": {"train": 1227, "test": 284}, "mass": {"train": 1231, "test": 361}}
    with open(real_csvs / file, newline="") as stream:
        read = list(read_rows(stream, file, "train"))
    assert len(read) == rows
    grouped = group_by_mammogram(read)
    assert len(grouped) == mammograms_of[file[:4]]["train" if "train" in file else "test"]
    if densities:
        assert collections.Counter(m.density for m in grouped) == densities
    assert {m.mammogram_id for m in grouped if m.fault} == (
        {"Calc-Test_P_01743_RIGHT_CC", "Calc-Test_P_01743_RIGHT_MLO"} if densities and "0" in densities else set()
    )
