"""A refused input is explained: the likely cause, and files that were seen with the reason why they were not taken."""

import os

import pytest

from preprocess.cases import catalogue
from preprocess.cases.descriptions import Mammogram, catalogue_mammograms
from preprocess.cases.diagnosis import explain_missing, explain_omissions
from preprocess.cases.locate import FileIndex
from preprocess.contract.schema import Omission
from preprocess.files import storage
from preprocess.files.listing import ListedFile, Listing
from tests.pipelines.test_preprocess import TEST, TRAIN
from tests.support.films import Described, as_in_csv, descriptive_folder, random_film, write_csv

FILM = Described("Calc-Test_P_90038_LEFT_CC", "3")
MAMMOGRAM = Mammogram(FILM.mammogram_id, "test", FILM.patient, "LEFT", "CC", "3", FILM.path)
REAL = catalogue.by_mammogram_id()["mass-test_p_00173_left_cc"]
EXPECTED = (
    f"expected for {FILM.mammogram_id}: a folder or file named {FILM.series} or a file named {FILM.mammogram_id}; "
    f"see docs/data.md"
)


def explained(*paths, mammograms=(MAMMOGRAM,), links=()):
    return explain_missing(mammograms, FileIndex(Listing(dict.fromkeys(paths, ListedFile(1)), links)))


@pytest.mark.parametrize(
    ("path", "advice", "reason"),
    [
        (
            "films.zip",
            "the input contains archives, which are not unpacked",
            "an archive, and archives are not unpacked",
        ),
        (f"a/{FILM.series}.tar.gz", "unpack them", "an archive"),
        (f"small_test/3_{FILM.mammogram_id}.png", "give the folder of the films", "that this job has made"),
        (f"{FILM.mammogram_id}_1/1.2.3/4.5.6/000000.dcm", "download the full mammograms", "a crop or a ROI mask"),
        (descriptive_folder(FILM, kind="cropped images") + "/1-1.dcm", "full mammograms", "a crop or a ROI mask"),
        (
            "0f8fad5b-d9cb-469f-a165-70867728950e/7c9e6679-7425-40de-944b-e07fc1f90ae7.dcm",
            "the files are named as in the bucket of the Imaging Data Commons (IDC)",
            "its folder is named by a UUID",
        ),
        (
            f"{REAL.idc_folder}/7c9e6679-7425-40de-944b-e07fc1f90ae7.dcm",
            "give the case descriptions of these films",
            f"it is {REAL.mammogram_id}, which the case descriptions do not name",
        ),
        (
            f"jpeg/{REAL.series_uid}/1-1.jpg",
            "give the case descriptions of these films",
            f"it is {REAL.mammogram_id}, which",
        ),
        (
            "x/3_Mass-Test_P_1_LEFT_CC.png",
            "give the case descriptions of these films",
            "it is Mass-Test_P_1_LEFT_CC, which",
        ),
        (
            "1.2.3/4.5.6/1-1.dcm",
            "give the case descriptions of these films",
            "the case descriptions do not contain its UID 4.5.6",
        ),
        ("scan0001.dcm", None, "its path contains neither a mammogram ID nor a UID"),
        (f"{FILM.mammogram_id}/scan1.dcm", None, "but not the UID of the series of the full mammogram"),
        (f"jpeg/{FILM.series}/._1.jpg", None, "it is a file that macOS adds to a copy"),
        (f"{FILM.series}/list.csv", None, "its name is not that of an image"),
    ],
)
def test_why_a_file_is_not_taken(path, advice, reason):
    *advices, count, example, expected = explained(path)
    assert len(advices) == (advice is not None)
    assert advice is None or advice in advices[0]
    assert count == "1 files are below the input root, for example:"
    assert example.startswith(f"  {path}: ")
    assert reason in example
    assert expected == EXPECTED


def test_the_most_frequent_kind_of_file_is_the_first():
    lines = explained("1.2.3/4.5.6/1.dcm", "a.zip", "b.zip", "c.zip", "d.zip")
    assert [line.split(":")[0] for line in lines] == [
        "the input contains archives, which are not unpacked",
        "the films are of other mammograms than the case descriptions name, or without these, the catalogue of "
        "CBIS-DDSM",
        "5 files are below the input root, for example",
        "  a.zip", "  1.2.3/4.5.6/1.dcm", "  b.zip",
        f"expected for {FILM.mammogram_id}",
    ]  # fmt: skip


def test_the_sample_with_the_catalogue():
    lines = explained("SYNTHETIC.txt", f"CBIS-DDSM/{FILM.path}", mammograms=catalogue_mammograms())
    assert "the input is a sample of pipelines.make_sample: give the case descriptions in the same folder" in lines


def test_faults_in_all_case_descriptions_are_grouped():
    faults = [
        Mammogram(f"P_{n}_LEFT_CC", "test", f"P_{n}", "LEFT", "CC", "2", "x.png",
                  f"a.csv, line {n}: image file path 'x{n}.png' contains no SeriesInstanceUID")
        for n in range(2, 14)
    ]  # fmt: skip
    assert explained(mammograms=faults) == [
        "12 of 12 mammograms have faults in the case descriptions:",
        "  12 x, for example a.csv, line 2: image file path 'x2.png' contains no SeriesInstanceUID",
    ]


def test_omissions_are_grouped_and_counted():
    omissions = [
        *(Omission(f"Calc-Test_P_{n:05d}_LEFT_CC", "test", "x", "rejected", "header", f"the file has {n} bytes")
          for n in range(7)),
        Omission("Calc-Test_P_00008_LEFT_CC", "test", "x", "rejected", "header", "the file is empty"),
        Omission("Calc-Test_P_00009_LEFT_CC", "test", "x", "rejected", "csv", "a.csv, line 7: density '0' is not one"),
    ]  # fmt: skip
    assert explain_omissions(omissions) == [
        "rejected (header): 8",
        "  7 x, for example Calc-Test_P_00000_LEFT_CC (x): the file has 0 bytes",
        "  1 x, for example Calc-Test_P_00008_LEFT_CC (x): the file is empty",
        "rejected (csv): 1",
        "  1 x, for example Calc-Test_P_00009_LEFT_CC: a.csv, line 7: density '0' is not one",
    ]


def test_a_run_with_many_missing_films_is_explained(job, tmp_path):
    films = [*TRAIN, *TEST]
    write_csv(tmp_path / "train.csv", TRAIN)
    write_csv(tmp_path / "test.csv", TEST)
    as_in_csv(tmp_path / "images", TRAIN[0], random_film(0))
    (tmp_path / "images/rest.zip").write_bytes(b"PK")
    reasons = [
        f"rejected (match): {len(films) - 1}",
        f"  {len(films) - 1} x, for example {min(film.mammogram_id for film in films[1:])}: no file of this mammogram "
        f"below the input root, in any known layout",
    ]
    explanation = [
        "the input contains archives, which are not unpacked: unpack them",
        "1 of 2 files are not used below the input root, for example:",
        "  rest.zip: it is an archive, and archives are not unpacked",
    ]
    for words in ((), ("--dry_run",)):
        status, output, _ = job(*words)
        assert status == (0 if words else 1)
        assert "no data set" in output
        lines = output.splitlines()
        start = lines.index(explanation[0])
        assert "no data set" in lines[start - 1]
        assert lines[start : start + 3] == explanation
        assert lines[start + 3].startswith("expected for ")
        assert lines[start + 4 : start + 6] == reasons


def test_a_link_that_leads_out_is_named_by_a_run_that_succeeds(job, tmp_path):
    write_csv(tmp_path / "train.csv", TRAIN)
    write_csv(tmp_path / "test.csv", TEST)
    for number, film in enumerate([*TRAIN, *TEST][1:]):
        as_in_csv(tmp_path / "images", film, random_film(number))
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "images/more")
    status, output, _ = job("--max_rejected", "0.1")
    assert status == 0
    assert "a linked folder leads out of the input root and is not followed: more; give its target" in output


def test_links(tmp_path):
    """Linked folders are followed if they stay in the root; the others are named. A cycle of links ends."""
    root = tmp_path / "root"
    for path in ("root/store/x/1.dcm", "outside/2.dcm"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(b"123")
    (root / "inner").mkdir()
    os.symlink(root / "store", root / "inner/link")
    os.symlink("../inner", root / "store/back")
    os.symlink("..", root / "store/up")
    os.symlink(tmp_path / "outside", root / "inner/out")
    os.symlink(tmp_path / "outside", root / "CBIS-DDSM")
    os.symlink(root / "store/x/1.dcm", root / "inner/file.dcm")
    os.symlink(tmp_path / "gone", root / "inner/broken.dcm")
    listing = storage.survey(str(root))
    version = storage.version(str(root / "store/x/1.dcm"))
    assert listing.files == {
        "store/x/1.dcm": ListedFile(3, version),
        "inner/link/x/1.dcm": ListedFile(3, version, "store/x/1.dcm"),
        "inner/file.dcm": ListedFile(3, version, "store/x/1.dcm"),
        "store/back/file.dcm": ListedFile(3, version),
    }
    assert listing.links_out == ("CBIS-DDSM", "inner/out")
    assert explained(links=listing.links_out)[:2] == [
        f"a linked folder leads out of the input root and is not followed: {link}; give its target as --input"
        for link in listing.links_out
    ]
