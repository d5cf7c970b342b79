import collections
import dataclasses

import pytest

from preprocess.cases.description_file import decode, read_rows
from preprocess.cases.descriptions import catalogue_mammograms, group_by_mammogram
from preprocess.runtime.errors import InputError
from tests.support.films import CALC_COLUMNS, MASS_COLUMNS, Described

CASE = "Calc-Test_P_00038_LEFT_CC"
PATH = f"{CASE}/1.2.3/4.5.6/000000.dcm"
HEADER = ",".join(CALC_COLUMNS)


def mammograms(*lines, header=HEADER, split="train"):
    return group_by_mammogram(read_rows("\n".join((header, *lines)) + "\n", "some.csv", split))


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
        (f"P_00038,0,LEFT,CC,{PATH}", "some.csv, line 2: density '0' is not one of 1, 2, 3, 4"),
        (f"P_00038,,LEFT,CC,{PATH}", "density '' is not one of 1, 2, 3, 4"),
        (f"P_00038,2.5,LEFT,CC,{PATH}", "density '2.5' is not one of 1, 2, 3, 4"),
        ("P_00038,2,LEFT,CC,", "no image file path"),
        (f"P_00038,2,LEFT,CC,{CASE}/../../000000.dcm", "contains '..'"),
        ("P_00038,2,LEFT,CC,C:\\films\\1\\000000.dcm", "contains no SeriesInstanceUID and no mammogram ID"),
        ("P_00038,2,LEFT,CC,images/0001.png", "contains no SeriesInstanceUID and no mammogram ID"),
        (f"P_00038,2,LEFT,CC,{CASE}_1/1.2.3/4.5.6/000000.dcm", "is that of a crop or ROI mask"),
        (f"P_00038,2,LEFT,CC,x/1-cropped images-12345/{CASE}.dcm", "is that of a crop or ROI mask"),
        (f"P_00038,2,LEFT,CC,{CASE}/{CASE.replace('LEFT', 'RIGHT')}.dcm", "contains several mammogram IDs"),
        ("P 1,2,LEFT,CC,other/1.2.3/4.5.6/0.dcm", "mammogram ID 'P 1_LEFT_CC' cannot be part of a file name"),
        (f"P_00039,2,LEFT,CC,{PATH}", "the mammogram ID contains P_00038 LEFT CC, the columns contain P_00039 LEFT CC"),
        ("P_1,2,BOTH,CC,other/1.2.3/4.5.6/000000.dcm", "side 'BOTH' is not one of LEFT, RIGHT"),
        ("P_1,2,LEFT,XY,other/1.2.3/4.5.6/000000.dcm", "view 'XY' is not one of CC, MLO"),
        (f",2,LEFT,CC,{PATH}", "patient id '' cannot be part of a file name"),
    ],
)
def test_invalid_rows_have_a_fault(cells, message):
    assert message in fault(cells)


def test_contradicting_rows_have_a_fault():
    assert fault(f"P_00038,2,LEFT,CC,{PATH}", f"P_00038,3,LEFT,CC,{PATH}") == (
        "some.csv, line 2: its rows contradict each other in density: '2', '3'")  # fmt: skip
    other = PATH.replace("4.5.6", "4.5.7")
    assert "image file path" in fault(f"P_00038,2,LEFT,CC,{PATH}", f"P_00038,2,LEFT,CC,{other}")


def test_a_mammogram_with_different_densities_in_the_splits_has_a_fault_in_both():
    rows = [
        *read_rows(f"{HEADER}\nP_00038,2,LEFT,CC,{PATH}\n", "a.csv", "train"),
        *read_rows(f"{HEADER}\nP_00038,3,LEFT,CC,{PATH}\n", "b.csv", "test"),
    ]
    assert [(m.split, "density: '2', '3'" in m.fault) for m in group_by_mammogram(rows)] == [
        ("test", True),
        ("train", True),
    ]


def test_the_mammogram_id_of_a_row_without_a_path_consists_of_its_other_columns():
    (mammogram,) = mammograms("P_00038,2,LEFT,CC,")
    assert mammogram.mammogram_id == "P_00038_LEFT_CC"


UID = "1.3.6.1.4.1.9590.100.1.2.271867287611061855725214315650114161"


@pytest.mark.parametrize(
    ("path", "series"),
    [
        (f"{CASE}\\1.2.3\\{UID}\\000000.dcm", UID),
        (f"C:\\data\\CBIS-DDSM\\{CASE}\\1.2.3\\{UID}\\1-1.dcm", UID),
        (f"/data/{CASE}/1.2.3/{UID}/000000.dcm", UID),
        (f"gs://bucket/CBIS-DDSM/{CASE}/1.2.3/{UID}/000000.dcm", UID),
        (f"./{CASE.lower()}/1.2.3/MG_{UID}/4e2a.dcm", UID),
        (f"CBIS-DDSM/jpeg/{UID}/1-263.jpg", UID),
        (f"jpeg/{UID}/1-263.JPG", UID),
        (f"flat/{UID}.dcm", UID),
        (f"{CASE}/1.2.3/{UID}/1.2.3.4.5.dcm", UID),  # named by the UID of the instance
        (f"{CASE}/1.2.3/{UID}", UID),  # a folder
    ],
)
def test_the_series_is_found_in_any_path(path, series):
    header = f"{HEADER},abnormality type"
    (mammogram,) = mammograms(f"P_00038,3,LEFT,CC,{path},calcification", header=header, split="test")
    assert (mammogram.mammogram_id, mammogram.uids[1], mammogram.fault) == (CASE, series, "")


def test_a_folder_of_the_retriever_contains_the_last_digits_only():
    rows = [
        f"P_00038,3,LEFT,{view},CBIS-DDSM/Calc-Test_P_00038_LEFT_{view}/07-20-2016-DDSM-NA-12345/"
        f"1.000000-full mammogram images-NA-{digits}"
        for view, digits in (("CC", "63992"), ("MLO", "00017"))
    ]
    assert [(m.mammogram_id, m.uids, m.series_digits, m.fault) for m in mammograms(*rows)] == [
        (CASE, ("1.3.6.1.4.1.9590.100.1.2.85935434310203356712688695661986996009",
                "1.3.6.1.4.1.9590.100.1.2.374115997511889073021386151921807063992"), "63992", ""),
        ("Calc-Test_P_00038_LEFT_MLO", ("", ""), "00017", ""),  # the digits are not those of the catalogue
    ]  # fmt: skip


def test_a_path_without_a_mammogram_id_is_identified_by_its_series():
    series = "1.3.6.1.4.1.9590.100.1.2.374115997511889073021386151921807063992"
    (mammogram,) = mammograms(f"P_00038,3,LEFT,CC,jpeg/{series}/1-263.jpg", split="train")
    assert (mammogram.mammogram_id, mammogram.fault) == ("Calc-Test_P_00038_LEFT_CC", "")
    assert "the mammogram ID contains P_00038 LEFT CC, the columns contain P_00038 RIGHT CC" in fault(
        f"P_00038,3,RIGHT,CC,jpeg/{series}/1-263.jpg"
    )


def test_without_an_id_and_an_entry_in_the_catalogue_the_columns_are_the_identity():
    header = f"{HEADER},abnormality type"
    rows = [f"P_1,2,{side},CC,jpeg/1.2.{n}/1.jpg,mass" for n, side in enumerate(("LEFT", "RIGHT"), 3)]
    assert [m.mammogram_id for m in mammograms(*rows, header=header, split="test")] == [
        "Mass-Test_P_1_LEFT_CC", "Mass-Test_P_1_RIGHT_CC"]  # fmt: skip
    assert [m.mammogram_id for m in mammograms("P_1,2,LEFT,CC,jpeg/1.2.3/1.jpg")] == ["P_1_LEFT_CC"]
    assert [m.mammogram_id for m in mammograms("P_1,2,LEFT,CC,My-Set_P_1_LEFT_CC/1.2.3/4.5.6/1.dcm")] == [
        "My-Set_P_1_LEFT_CC"]  # fmt: skip


def test_the_collection_of_the_id_and_the_abnormality_must_agree():
    (mammogram,) = mammograms(f"P_00038,2,LEFT,CC,{PATH},mass", header=f"{HEADER},abnormality type")
    assert "the mammogram ID contains Calc P_00038 LEFT CC, the columns contain Mass P_00038 LEFT CC" in mammogram.fault


def test_mammograms_with_the_same_series_have_a_fault():
    left, right = (f"P_00038,2,{side},CC,Calc-Test_P_00038_{side}_CC/1.2.3/4.5.6/0.dcm" for side in ("LEFT", "RIGHT"))
    expected = (
        "its SeriesInstanceUID is that of 2 mammograms: 'Calc-Test_P_00038_LEFT_CC', 'Calc-Test_P_00038_RIGHT_CC'"
    )
    assert [m.fault for m in mammograms(left, right)] == [expected, expected]


def test_a_path_with_the_series_of_the_crop_or_mask_has_a_fault():
    header = f"{HEADER},cropped image file path,ROI mask file path"
    for crop, mask in (("x/1.2.3/4.5.6/1.dcm", "y/1.2.3/7.8.9/0.dcm"), ("y/1.2.3/7.8.9/0.dcm", "x/1.2.3/4.5.6/1.dcm")):
        (mammogram,) = mammograms(f"P_00038,2,LEFT,CC,{PATH},{crop},{mask}", header=header)
        assert "contains the SeriesInstanceUID of the crop or ROI mask" in mammogram.fault


def test_the_path_with_the_series_is_used_whatever_the_order_is():
    nbia = f"CBIS-DDSM/{CASE}/07-20-2016-DDSM-NA-1/1.0-full mammogram images-NA-45678/1-1.dcm"
    full = f"{CASE}/1.2.3/4.5.6.45678/000000.dcm"
    for paths in ((nbia, full), (full, nbia)):
        (mammogram,) = mammograms(*(f"P_00038,2,LEFT,CC,{path}" for path in paths))
        assert (mammogram.uids[1], mammogram.fault) == ("4.5.6.45678", "")


def test_files_that_were_joined_with_their_headers():
    lines = [f"P_00038,3,LEFT,CC,{PATH}", HEADER.replace("_", " "), f"P_00039,3,LEFT,CC,{PATH.replace('38', '39')}"]
    assert [m.fault for m in mammograms(*lines)][:2] != []
    assert {m.mammogram_id for m in mammograms(*lines)} == {CASE, CASE.replace("38", "39")}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04" + bytes(100), "an Excel workbook or another ZIP archive; save the table as CSV"),
        (HEADER.encode("utf-16-le"), "contains NUL bytes, as UTF-16 without a byte order mark has; save it as UTF-8"),
    ],
)
def test_files_of_other_formats_are_named(data, message):
    with pytest.raises(InputError, match=message):
        decode(data, "some.csv")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("first", ["", "sep={}"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_files_of_spreadsheets(delimiter, encoding, end, first, quote):
    lines = [HEADER.replace("_", " ").upper(), f"P_00038,3.0,LEFT,CC,{PATH}", f"P_00038,3.0,LEFT,CC,{PATH}"]
    if first:
        lines.insert(0, first.format(","))
    lines = [line if "=" in line else f"{quote}{line.replace(',', f'{quote},{quote}')}{quote}" for line in lines]
    text = decode(end.join([*lines, ""]).replace(",", delimiter).encode(encoding), "some.csv")
    rows = list(read_rows(text, "folder/some.csv", "train"))
    assert [(row.density, row.side, row.image_path) for row in rows] == [("3", "LEFT", PATH)] * 2
    assert [row.where for row in rows] == [f"some.csv, line {2 + bool(first) + n}" for n in range(2)]


def test_a_column_that_appears_twice():
    header = (
        "index,patient_id,breast density,breast_density,left or right breast,image view,image view.1,image file path"
    )
    row = "0,P_00038,{},{},LEFT,CC,CC," + PATH
    for densities in (("3.0", ""), ("", "3"), ("3", "3.0"), ("nan", "3")):
        (mammogram,) = mammograms(row.format(*densities), header=header)
        assert (mammogram.density, mammogram.fault) == ("3", "")
    (mammogram,) = mammograms(row.format("2", "3"), header=header)
    assert mammogram.fault == (
        "some.csv, line 2: 2 columns are named 'breast density' and contradict each other: '2', '3'")  # fmt: skip


def test_the_catalogue_contains_what_the_case_descriptions_contain(real_csvs):
    rows = [
        row
        for name in ("calc", "mass")
        for split in ("train", "test")
        for row in read_rows((real_csvs / f"{name}_case_description_{split}_set.csv").read_bytes().decode(), "x", split)
    ]
    described, catalogued = group_by_mammogram(rows), catalogue_mammograms()
    assert len(catalogued) == 3103
    for one, other in zip(described, catalogued, strict=True):
        assert one == dataclasses.replace(other, fault=one.fault)
        assert bool(one.fault) == bool(other.fault) == (one.density == "0")


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
        list(read_rows(text, "some.csv", "train"))


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
    read = list(read_rows((real_csvs / file).read_bytes().decode(), file, "train"))
    assert len(read) == rows
    grouped = group_by_mammogram(read)
    assert len(grouped) == mammograms_of[file[:4]]["train" if "train" in file else "test"]
    if densities:
        assert collections.Counter(m.density for m in grouped) == densities
    assert {m.mammogram_id for m in grouped if m.fault} == (
        {"Calc-Test_P_01743_RIGHT_CC", "Calc-Test_P_01743_RIGHT_MLO"} if densities and "0" in densities else set()
    )
