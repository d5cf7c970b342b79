import pytest

from pipelines.prediction.film import FilmName, read_name
from preprocess.cases import catalogue

ENTRY = catalogue.entries()[7]
KNOWN = FilmName(ENTRY.mammogram_id, ENTRY.patient, ENTRY.side, ENTRY.view)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/a/{ENTRY.mammogram_id}/{ENTRY.study_uid}/{ENTRY.series_uid}/000000.dcm", KNOWN),
        (f"C:\\films\\3_{ENTRY.mammogram_id}.png", KNOWN),
        (f"jpeg/{ENTRY.series_uid}/1-247.jpg", KNOWN),
        (f"gs://idc-open-data/{ENTRY.idc_folder}/1c1c4de1-0000-4000-8000-000000000000.dcm", KNOWN),
        ("ddsm/A_1141_1.LEFT_CC.png", FilmName("", "A_1141_1", "LEFT", "CC")),
        ("ddsm/case1141/RIGHT_MLO.dcm", FilmName("", "case1141", "RIGHT", "MLO")),
        ("inbreast/53586869_x_MG_R_CC_ANON.dcm", FilmName("", "53586869_x_MG", "RIGHT", "CC")),
        ("p12-L-MLO.dcm", FilmName("", "p12", "LEFT", "MLO")),
        ("RCC.dcm", FilmName("", "", "RIGHT", "CC")),
        ("films/mdb001.png", FilmName()),
        ("accl.png", FilmName()),
    ],
)
def test_a_path_tells_which_film_it_is(path, expected):
    assert read_name(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        f"CBIS-DDSM/{ENTRY.mammogram_id}_1/07-20-2016-DDSM-NA-1/1.000000-ROI mask images-NA-95853/1-1.dcm",
        f"CBIS-DDSM/{ENTRY.mammogram_id}_2/1/1.000000-cropped images-95853/1-2.dcm",
        f"masks/{ENTRY.mammogram_id}.png",
    ],
)
def test_crops_and_masks_are_not_mammograms(path):
    assert read_name(path) == FilmName(fault="by its path a crop or a mask; expected a whole mammogram")
