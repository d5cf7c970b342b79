import random

import pytest

from preprocess.cases.catalogue import by_mammogram_id
from preprocess.cases.descriptions import Mammogram
from preprocess.cases.locate import DICOM, IMAGE, LOSSY, FileIndex, IdcIndex
from preprocess.files.listing import ListedFile, Listing
from tests.support.films import LAYOUTS, Described, descriptive_folder, random_film

FILM = Described("Calc-Test_P_00038_LEFT_CC", "3")
MAMMOGRAM = Mammogram(FILM.mammogram_id, "test", "P_00038", "LEFT", "CC", "3", FILM.path)
BY_UID = f"{FILM.mammogram_id}/{FILM.study}/{FILM.series}"
FULL = f"full mammogram images-{FILM.series[-5:]}"


def locate(*paths, mammogram=MAMMOGRAM):
    return FileIndex(Listing({path: ListedFile(10, "version") for path in paths})).locate(mammogram)


def found(*paths):
    location = locate(*paths)
    assert location.fault == ""
    return [(file.kind, file.path) for file in location.files]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_at_any_depth(layout, tmp_path):
    path = LAYOUTS[layout](tmp_path, FILM, random_film(0)).relative_to(tmp_path).as_posix()
    for below in (path, f"a/b c/{path}"):
        ((_, only),) = found("other/file.dcm", below)
        assert only == below


@pytest.mark.parametrize(
    "path",
    [
        f"{FILM.series}/1-1.dcm",
        f"cbis_ddsm/P_00038_LEFT_CC.dcm/{FILM.study}/MG_{FILM.series}/0b2c.dcm",  # PatientIDs cannot be trusted
        f"{FILM.mammogram_id}_1/{FILM.study}/{FILM.series}/000000.dcm",
        f"{FILM.mammogram_id}/1.2.3/{FILM.series}/000000.dcm",
        f"{FILM.series}.dcm",
        f"flat/{FILM.series}",
        f"{BY_UID}/1.2.3.4.5",  # named by the UID of the instance
        f"{BY_UID}/IM_0001",
        f"{BY_UID}/IMAGE.IMA",
        f"CBIS-DDSM/{FILM.mammogram_id}/10-04-2016-DDSM-30104/1-{FULL}/000000.dcm",
        f"CBIS-DDSM/{FILM.mammogram_id}/NA-NA-00000/1.000000-{FULL}/1-1.dcm",
        f"CBIS-DDSM/{FILM.mammogram_id.upper()}/2016/x/1.000000-{FULL.upper()}/1-1.DCM",
        f"{FILM.mammogram_id}.dcm",
        f"films/{FILM.mammogram_id}.DCM",
        f"films/3_{FILM.mammogram_id}",
        f"{by_mammogram_id()[FILM.mammogram_id.lower()].idc_folder}/0b2c.dcm",
        f"x/MG-{FILM.series}/1.dcm",
        f"x/cbis_ddsm_{FILM.mammogram_id}_{FILM.study}_MG_{FILM.series}/1.dcm",
        f"x/{FILM.mammogram_id}_{FILM.series}.dcm",
        f"x/MG.{FILM.series}.dcm",
        f"x/{FILM.series} (1)/1-1.dcm",
        f"x/{FILM.mammogram_id} (1).png",
        f"x/{FILM.mammogram_id} - Copy.dcm",
        f"x/{FILM.mammogram_id}.dcm.png",
        f"x/{FILM.mammogram_id}_FULL.png",
        f"CBIS-DDSM/{FILM.mammogram_id}/07-20-2016-DDSM-NA-1/NA-NA-{FILM.series[-5:]}/1-1.dcm",
        f"masks/{FILM.series}/1.dcm",  # the UID decides
    ],
)
def test_the_identity_in_a_path(path, tmp_path):
    real = by_mammogram_id()[FILM.mammogram_id.lower()]
    mammogram = MAMMOGRAM
    if path.startswith(real.idc_folder):  # only the true series has a folder in IDC's bucket
        mammogram = Mammogram(FILM.mammogram_id, "test", "P_00038", "LEFT", "CC", "3", real.image_path)
    location = locate("other/file.dcm", path, mammogram=mammogram)
    assert [file.path for file in location.files] == [path]
    assert location.fault == ""


@pytest.mark.parametrize(
    "path",
    [
        f"{FILM.mammogram_id}_1/{FILM.study}/1.2.3/000000.dcm",
        descriptive_folder(FILM, kind="cropped images") + "/1-1.dcm",
        descriptive_folder(FILM, kind="ROI mask images") + "/1-1.dcm",
        descriptive_folder(FILM).replace(FILM.mammogram_id, f"{FILM.mammogram_id}_1") + "/1-1.dcm",
        descriptive_folder(FILM).replace("LEFT", "RIGHT") + "/1-1.dcm",
        f"{FILM.mammogram_id}/{FILM.study}/1.2.3/000000.dcm",
        f"jpeg/1.2.3{FILM.series[-5:]}/1-001.jpg",
        f"films/3_{FILM.mammogram_id}_1",
        f"films/{FILM.mammogram_id}_1.png",
        f"small_train/3_{FILM.mammogram_id}",
        f"OUT/small_test/3_{FILM.mammogram_id}.png",
        f"{BY_UID}/notes.txt",
        f"{BY_UID}/._000000.dcm",
        f"{BY_UID}/.DS_Store",
        f"__MACOSX/jpeg/{FILM.series}/1-001.jpg",
        f"{FILM.series}.zip",
        f"masks/{FILM.mammogram_id}.png",
        f"data/roi_masks/3_{FILM.mammogram_id}.png",
        f"cropped images/{FILM.mammogram_id}.png",
        f"{FILM.mammogram_id}_1/{FILM.mammogram_id}.png",
        f"{FILM.series}/@eaDir/1.jpg",
        f"{FILM.series}/LICENSE",
        f"{FILM.series}/film.dcm.dvc",
    ],
)
def test_what_is_not_the_film(path):
    location = locate(path)
    assert location.files == ()
    assert "no file of this mammogram" in location.fault


def test_dicom_is_preferred_to_png_and_png_to_jpeg_whatever_their_names_are():
    paths = {
        f"a/{FILM.series}/1-001.jpg": LOSSY, f"a/{FILM.mammogram_id}.png": IMAGE, f"b/3_{FILM.mammogram_id}": IMAGE,
        f"z/{BY_UID}/film.dcm": DICOM, f"z/{descriptive_folder(FILM)}/1-1.dcm": DICOM, f"z/{FILM.series}.tif": IMAGE,
    }  # fmt: skip
    expected = sorted((kind, path) for path, kind in paths.items())
    for seed in range(5):
        shuffled = list(paths)
        random.Random(seed).shuffle(shuffled)
        assert found(*shuffled) == expected


def test_a_file_below_a_followed_link_is_found_by_the_name_of_the_link_and_listed_once():
    files = {
        "store/x/1.dcm": ListedFile(10, "v"),
        f"{FILM.mammogram_id}/{FILM.series}/1.dcm": ListedFile(10, "v", "store/x/1.dcm"),
        f"again/{FILM.series}/1.dcm": ListedFile(10, "v", "store/x/1.dcm"),
    }
    assert [file.path for file in FileIndex(Listing(files)).locate(MAMMOGRAM).files] == ["store/x/1.dcm"]


def test_a_link_with_another_density_or_ending_than_its_target():
    """As git-annex makes them: the names of the files contain no identity."""
    files = {
        "store/aa": ListedFile(10, "v"),
        f"films/2_{FILM.mammogram_id}.png": ListedFile(10, "v", "store/aa"),
    }
    assert "the file name contains density 2" in FileIndex(Listing(files)).locate(MAMMOGRAM).fault
    files = {
        f"films/{FILM.series}.jpg": ListedFile(10, "v", "store/aa"),
        f"films/{FILM.series}.png": ListedFile(10, "v", "store/bb"),
    }
    found = FileIndex(Listing(files)).locate(MAMMOGRAM).files
    assert [(file.kind, file.path) for file in found] == [(IMAGE, "store/bb"), (LOSSY, "store/aa")]


def test_a_converted_file_of_another_density_is_not_taken():
    expected = "the file name contains density 2, the case description contains '3'"
    assert locate(f"films/2_{FILM.mammogram_id}").fault == expected
    assert locate(f"films/2_{FILM.mammogram_id}", f"films/3_{FILM.mammogram_id}").fault == expected
    assert locate(f"films/2_{FILM.mammogram_id}", f"{BY_UID}/1-1.dcm").fault == ""  # it is not used


def test_a_film_in_the_bucket_is_a_folder_with_the_size_in_the_catalogue():
    entry = by_mammogram_id()["mass-test_p_00173_left_cc"]
    mammogram = Mammogram(entry.mammogram_id, "test", "P_00173", "LEFT", "CC", "2", entry.image_path)
    (file,) = IdcIndex().locate(mammogram).files
    assert (file.path, file.bytes, file.version) == (f"{entry.idc_folder}/", entry.bytes, entry.idc_folder)
    assert "is not in the catalogue" in IdcIndex().locate(MAMMOGRAM).fault  # another SeriesInstanceUID
