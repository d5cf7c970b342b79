"""The sample: the format of CBIS-DDSM with its irregularities, and densities that can be distinguished."""

import csv
import json

import numpy as np
import pydicom
import pytest

from pipelines import make_sample
from pipelines.sample.breast import GLANDULAR_SHARE, LABEL, draw_anatomy, synthesize_film
from pipelines.sample.descriptions import make_mammograms
from tests.pipelines.test_preprocess import tree
from tests.support.films import write_csv

FILES = [f"{kind}_case_description_{split}_set.csv" for kind in ("calc", "mass") for split in ("train", "test")]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "sample"
    assert make_sample.main(["--output", str(root), "--patients", "12"]) == 0
    return root


def films(root):
    """Returns the paths of all films."""
    found = sorted(root.glob("CBIS-DDSM/*/*/1.000000-full mammogram images-NA-*/1-1.dcm"))
    assert found
    return found


def test_the_descriptions_have_the_headers_of_cbis_ddsm(sample, real_csvs):
    for name in FILES:
        with open(sample / name) as made, open(real_csvs / name) as real:
            assert made.readline() == real.readline()


def test_the_descriptions_have_the_irregularities_of_cbis_ddsm(sample):
    rows = []
    for name in FILES:
        text = (sample / name).read_text()
        records = list(csv.DictReader(text.splitlines(keepends=True)))
        rows += records
        assert len(text.splitlines()) == 2 * len(records) + 1  # every record spans two lines
    assert any(row.get("breast density") == "0" for row in rows)
    paths = [row["image file path"] for row in rows]
    assert len(set(paths)) < len(paths)
    cases = {path.split("/")[0] for path in paths}
    on_disk = {path.parts[-4] for path in films(sample)}
    assert len(cases - on_disk) == 1
    assert on_disk < cases


def test_films_are_marked_as_synthetic(sample):
    assert "synthetic" in (sample / "SYNTHETIC.txt").read_text()
    for path in films(sample)[:5]:
        header = pydicom.dcmread(path)
        assert header.PatientName == "SYNTHETIC"
        assert "Synthetic image" in header.ImageComments
        corner = header.pixel_array[: header.Rows // 10]
        assert (corner == 56000).sum() > 50  # the burned-in label
    assert LABEL == "SYNTHETIC"


def test_the_job_runs_on_the_sample(sample, job, tmp_path):
    status, output, out = job(
        "--max_rejected", "0.2", images=sample, train=f"{sample}/*_train_set.csv", test=f"{sample}/*_test_set.csv"
    )
    assert status == 0, output
    lines = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert sorted((line["kind"], line["stage"]) for line in lines) == [
        ("excluded", "select"), ("rejected", "csv"), ("rejected", "match")]  # fmt: skip


def test_the_same_seed_makes_the_same_bytes(sample, tmp_path):
    assert make_sample.main(["--output", str(tmp_path / "again"), "--patients", "12"]) == 0
    assert tree(tmp_path / "again") == tree(sample)
    assert make_sample.main(["--output", str(tmp_path / "again"), "--patients", "12", "--seed", "1"]) == 0
    assert tree(tmp_path / "again") != tree(sample)


def test_other_files_are_not_overwritten(tmp_path, capsys):
    (tmp_path / "mine").write_text("mine")
    assert make_sample.main(["--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "contains files but no SYNTHETIC.txt, so it is not a sample; choose another --output" in error
    assert tree(tmp_path) == {"mine": b"mine"}


@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("density", [1, 2, 3, 4])
def test_the_share_of_glandular_tissue_follows_the_category(density, view):
    low, high = GLANDULAR_SHARE[density]
    for seed in range(8):
        drawn = draw_anatomy((200, 130), density, view, np.random.default_rng(seed))
        inside = drawn.breast & ~drawn.muscle
        share = (drawn.gland[inside] > 0.45).mean()
        assert low - 0.06 < share < high + 0.06
        assert drawn.muscle.any() == (view == "MLO")


def test_left_and_right_breasts_are_at_the_left_and_right_edge():
    for side, edge in (("LEFT", 0), ("RIGHT", -1)):
        film = synthesize_film((300, 200), 3, side, "CC", np.random.default_rng(0))
        assert (film.shape, film.dtype) == ((300, 200), np.uint16)
        assert film[100:200, edge].mean() > 3 * film[100:200, -1 - edge].mean()


def test_every_category_is_in_both_splits():
    cases = make_mammograms(40, 0)
    for split in ("train", "test"):
        assert {case.density for case in cases if case.split == split} >= {1, 2, 3, 4}
    train = {case.patient for case in cases if case.split == "train"}
    test = {case.patient for case in cases if case.split == "test"}
    assert len(train & test) == 1


def test_from_csv_writes_one_film_for_every_mammogram(real_csvs, tmp_path):
    with open(real_csvs / FILES[1], newline="") as stream:
        rows = list(csv.DictReader(stream))
    wanted = ["P_01743", "P_00038", "P_00041"]  # the first has density 0
    columns = ["patient_id", "breast density", "left or right breast", "image view", "image file path"]
    chosen = [[row[column] for column in columns] for row in rows if row["patient_id"] in wanted]
    write_csv(tmp_path / "some.csv", chosen)
    assert make_sample.main(["--output", str(tmp_path / "films"), "--from_csv", str(tmp_path / "some.csv")]) == 0
    assert {path.parts[-4] for path in films(tmp_path / "films")} == {row[4].split("/")[0] for row in chosen}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../x/1/000000.dcm", "leaves the input root"),
        ("a b/1/2/000000.dcm", "mammogram ID 'a b' cannot be part of a file name"),
    ],
)
def test_no_film_is_written_outside_the_sample(path, message, tmp_path, capsys):
    write_csv(tmp_path / "some.csv", [["P_1", "unknown", "LEFT", "CC", path]])
    assert make_sample.main(["--output", str(tmp_path / "films"), "--from_csv", str(tmp_path / "some.csv")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "films").exists()


def test_full_size_films_have_the_sizes_of_cbis_ddsm(tmp_path):
    rows = [["P_1", "2", "LEFT", "CC", f"case-{n}/1.2.34567/4.5.67890/000000.dcm"] for n in range(2)]
    write_csv(tmp_path / "some.csv", rows)
    argv = ["--output", str(tmp_path / "films"), "--from_csv", str(tmp_path / "some.csv"), "--full_size"]
    assert make_sample.main(argv) == 0
    paths = films(tmp_path / "films")
    assert len(paths) == len(rows)
    for path in paths:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert 3256 <= header.Rows <= 7111
        assert 1531 <= header.Columns <= 5251
        assert path.stat().st_size > 2 * header.Rows * header.Columns


@pytest.mark.parametrize("patients", ["7", "many", "-3"])
def test_invalid_numbers_of_patients(patients, capsys):
    with pytest.raises(SystemExit):
        make_sample.main(["--output", "x", "--patients", patients])
    assert "is not a number of patients from 8 to 5000" in capsys.readouterr().err
