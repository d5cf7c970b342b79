import pytest

from preprocess.cases.descriptions import Mammogram
from preprocess.cases.locate import FileIndex
from tests.support.films import LAYOUTS, Described, descriptive_folder, random_film

FILM = Described("Calc-Test_P_00038_LEFT_CC", "3")
MAMMOGRAM = Mammogram(FILM.mammogram_id, "test", "P_00038", "LEFT", "CC", "3", FILM.path)
BY_UID = f"{FILM.mammogram_id}/{FILM.study}/{FILM.series}"


def locate(*paths):
    return FileIndex(dict.fromkeys(paths, 10)).locate(MAMMOGRAM)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_at_any_depth(layout, tmp_path):
    path = LAYOUTS[layout](tmp_path, FILM, random_film(0)).relative_to(tmp_path).as_posix()
    for below in (path, f"a/b c/{path}"):
        assert locate("other/file.dcm", below).path == below
        assert locate(below).fault == ""


@pytest.mark.parametrize(
    "path",
    [
        f"{FILM.mammogram_id}_1/{FILM.study}/{FILM.series}/000000.dcm",
        descriptive_folder(FILM, kind="cropped images") + "/1-1.dcm",
        descriptive_folder(FILM, kind="ROI mask images") + "/1-1.dcm",
        descriptive_folder(FILM).replace(FILM.mammogram_id, f"{FILM.mammogram_id}_1") + "/1-1.dcm",
        f"{FILM.mammogram_id}/{FILM.study}/1.2.3/000000.dcm",
        f"{FILM.mammogram_id}/1.2.3/{FILM.series}/000000.dcm",
        f"jpeg/1.2.3{FILM.series[-5:]}/1-001.jpg",
        f"films/3_{FILM.mammogram_id}_1",
        f"films/3_{FILM.mammogram_id}.png",
        f"small_train/3_{FILM.mammogram_id}",
        f"OUT/small_test/3_{FILM.mammogram_id}",
        f"{BY_UID}/notes.txt",
    ],
)
def test_crops_masks_and_outputs_are_not_taken(path):
    location = locate(path)
    assert location.path == ""
    assert "no file of this mammogram" in location.fault


def test_the_lossless_file_is_taken_and_the_others_are_duplicates():
    jpeg, dicom = f"jpeg/{FILM.series}/1-001.jpg", f"z/{BY_UID}/000000.dcm"
    location = locate(jpeg, dicom, f"z/{descriptive_folder(FILM)}/1-1.dcm")
    assert location.path == dicom
    assert set(location.duplicates) == {jpeg, f"z/{descriptive_folder(FILM)}/1-1.dcm"}
    assert location.fault == ""


def test_two_usual_file_names_in_one_series_are_one_mammogram():
    location = locate(f"{BY_UID}/1-1.dcm", f"{BY_UID}/000000.dcm")
    assert (location.path, location.duplicates) == (f"{BY_UID}/000000.dcm", (f"{BY_UID}/1-1.dcm",))


@pytest.mark.parametrize(
    "paths",
    [
        (f"jpeg/{FILM.series}/1-001.jpg", f"jpeg/{FILM.series}/1-002.jpg"),
        (f"{BY_UID}/left.dcm", f"{BY_UID}/right.dcm"),
        (f"films/2_{FILM.mammogram_id}", f"films/3_{FILM.mammogram_id}"),
    ],
)
def test_ambiguous_files_are_a_fault(paths):
    assert "2 files that could each be the mammogram" in locate(*paths).fault


def test_a_converted_file_of_another_density_is_not_taken():
    assert (
        locate(f"films/2_{FILM.mammogram_id}").fault
        == "the file name contains density 2, the case description contains '3'"
    )


def test_a_single_file_with_an_unusual_name_is_taken():
    assert locate(f"{BY_UID}/image.dcm").path == f"{BY_UID}/image.dcm"


def test_all_mammograms_of_cbis_ddsm_are_distinguished(real_csvs):
    from pipelines.preparation.inputs import read_descriptions
    from preprocess.cases.descriptions import group_by_mammogram

    mammograms = group_by_mammogram(read_descriptions([f"{real_csvs}/*_set.csv"], "train"))
    files = {}
    for m in mammograms:
        study, series = m.uids
        folder = f"07-20-2016-DDSM-NA-{study[-5:]}/1.000000-full mammogram images-NA-{series[-5:]}"
        files[f"CBIS-DDSM/{m.mammogram_id}/{folder}/1-1.dcm"] = m
    index = FileIndex(dict.fromkeys(files, 1))
    assert len(mammograms) == 3103
    assert all(files[index.locate(m).path] is m for m in mammograms)
