"""Wrong input and options end a run before it starts: with one line and exit status 2, and without output files."""

import os

import pytest

from pipelines import preprocess
from pipelines.beam.runners import choose_worker_count
from pipelines.preparation.options import parse
from preprocess.cases.locate import DICOM, FilmFile
from preprocess.cases.plan import Film
from tests.support.films import LAYOUTS, Described, random_film, write_csv

TRAIN = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3)]
TEST = [Described("Calc-Test_P_00009_LEFT_CC", "4")]


@pytest.fixture
def sound(tmp_path):
    """A folder with valid descriptions and films."""
    write_csv(tmp_path / "train.csv", TRAIN)
    write_csv(tmp_path / "test.csv", TEST)
    for number, film in enumerate(TRAIN + TEST):
        LAYOUTS["NBIA classic"](tmp_path / "images", film, random_film(number))
    return tmp_path


def refused(job, *words, **places):
    """Runs the job, which must end before it starts; returns its error message of one line."""
    line, *details = refused_with_details(job, *words, **places)
    assert details == []
    return line


def refused_with_details(job, *words, **places):
    """Runs the job, which must end before it starts; returns the lines of its error message."""
    status, output, out = job(*words, **places)
    assert status == 2
    assert "Traceback" not in output
    assert not out.exists()
    lines = output.splitlines()
    assert lines[0].startswith("error: ")
    return lines


def test_a_missing_csv(job, sound):
    line = refused(job, train="gone.csv")
    assert f"{sound}/gone.csv: no such file; give the case descriptions' paths" in line


def test_a_pattern_without_a_match(job, sound):
    assert "x*.csv: no such file" in refused(job, train="x*.csv")


def test_a_csv_without_the_needed_columns(job, sound):
    (sound / "train.csv").write_text("patient_id,density\nP_1,2\n")
    assert "train.csv: no column 'breast density' and no column" in refused(job)


def test_a_binary_file_for_a_csv(job, sound):
    (sound / "train.csv").write_bytes(bytes(range(256)))
    assert "train.csv: not a readable CSV file" in refused(job)


def test_a_folder_for_a_csv(job, sound):
    (sound / "train.csv").unlink()
    (sound / "train.csv").mkdir()
    assert "train.csv: no such file; give the case descriptions' paths" in refused(job)


@pytest.mark.parametrize("images", ["gone", "empty"])
def test_a_missing_or_empty_root(images, job, sound):
    (sound / "empty").mkdir()
    assert f"{sound}/{images}: no such folder, or no file in it" in refused(job, images=images)


def test_a_file_for_a_root(job, sound):
    assert "train.csv: a file; give the folder that contains the films" in refused(job, images="train.csv")


def test_a_root_without_a_file_of_the_descriptions(job, sound):
    (sound / "other").mkdir()
    (sound / "other/x.dcm").write_bytes(b"x")
    for words in ((), ("--dry_run",)):
        assert refused_with_details(job, *words, images="other") == [
            "error: not one of the 4 mammograms that the case descriptions name has a file below the input root",
            "1 files are below the input root, for example:",
            "  x.dcm: its path contains neither a mammogram ID nor a UID",
            f"expected for {TEST[0].mammogram_id}: a folder or file named {TEST[0].series} or a file named "
            f"{TEST[0].mammogram_id}; see docs/data.md",
        ]


def test_an_empty_selection(job, sound):
    films = [*TRAIN, *TEST]
    assert refused_with_details(job, "--views", "MLO") == [
        "error: nothing is left to prepare: of 4 named mammograms 4 are excluded; change the options or correct the "
        "input",
        "excluded (select): 4",
        f"  4 x, for example {min(film.mammogram_id for film in films)}: view CC is not among --views MLO",
    ]


def test_one_of_two_kinds_of_case_descriptions(job, sound, capfd):
    assert preprocess.main(["--input=x", "--output=y", f"--train_csv={sound}/train.csv"]) == 2
    assert "--train_csv and --test_csv belong together: give both, or neither" in capfd.readouterr().err


def test_the_output_must_not_be_the_input(job, sound):
    status, output, _ = job(images="images", out="images")
    assert (status, "--output is the same folder as --input" in output) == (2, True)


def test_a_case_description_for_both_splits(job, sound):
    assert "test.csv: is given for both --train_csv and --test_csv" in refused(job, train="test.csv")


def test_case_descriptions_of_the_other_split(job, sound):
    line = refused(job, train="test.csv", test="train.csv")
    assert f"--train_csv names only mammograms of the test set, such as {TEST[0].mammogram_id}" in line


def test_an_output_that_cannot_be_written_to(job, sound):
    (sound / "file").write_text("")
    assert "file/out: cannot be written to (" in refused(job, out="file/out")


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("--resampel=nearest", "--resample"),
        ("--max_rejectd", "--max_rejected"),
        ("--direct_num_worker=2", "--direct_num_workers"),
        ("--tmp_location", "--temp_location"),
        ("--image_heigth", "--image_height"),
    ],
)
def test_a_misspelt_option_names_the_nearest(word, nearest, job, sound):
    assert f"unknown option {word.split('=')[0]}; did you mean {nearest}?" in refused(job, word, "3")


def test_a_misspelt_runner_names_the_nearest(job, sound):
    assert "unknown runner DirctRunner; did you mean DirectRunner?" in refused(job, "--runner", "DirctRunner")


@pytest.mark.parametrize("name", [None, "direct", "directrunner", "DirectRunner", "SwitchingDirectRunner"])
def test_all_names_of_the_local_runner(name):
    required = ["--input=i", "--output=o", "--train_csv=a", "--test_csv=b"]
    _, beam = parse([*required, *([f"--runner={name}"] if name else [])])
    chosen = beam.get_all_options()
    assert (chosen["runner"], chosen["direct_running_mode"], chosen["direct_num_workers"]) == (
        "DirectRunner", "multi_processing", 0)  # fmt: skip
    assert chosen["update_compatibility_version"]  # otherwise Beam tries the runner Prism


def test_other_runners_and_given_worker_counts_are_kept():
    required = ["--input=i", "--output=o", "--train_csv=a", "--test_csv=b"]
    assert parse([*required, "--runner=flink"])[1].get_all_options()["runner"] == "FlinkRunner"
    assert parse([*required, "--runner=some.package.Runner"])[1].get_all_options()["runner"] == "some.package.Runner"
    one = parse([*required, "--direct_num_workers=1"])[1].get_all_options()
    assert (one["direct_num_workers"], one["direct_running_mode"]) == (1, "in_memory")


@pytest.mark.parametrize(("words", "films", "megabytes", "chosen"), [
    ([], 262, 1, (1, "in_memory")),
    ([], 30, 40, (4, "multi_processing")),
    ([], 1499, 0.1, (2, "multi_processing")),
    ([], 3103, 0.1, (6, "multi_processing")),
    ([], 3103, 50, (8, "multi_processing")),
    (["--direct_num_workers=2"], 262, 1, (2, "multi_processing")),
    (["--direct_num_workers=1"], 3103, 50, (1, "in_memory")),
    (["--runner=flink"], 3103, 50, (1, "in_memory")),
])  # fmt: skip
def test_the_number_of_local_workers_depends_on_the_films(words, films, megabytes, chosen, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    _, beam = parse(["--input=i", "--output=o", "--train_csv=a", "--test_csv=b", *words])
    files = (FilmFile(DICOM, "film.dcm", int(megabytes * 2**20)),)
    film = Film("Mass-Training_P_00001_LEFT_CC", "train", 1, "P_00001", "LEFT", "CC", files)
    choose_worker_count(beam, films, films * film.bytes)
    settled = beam.get_all_options()
    assert (settled["direct_num_workers"], settled["direct_running_mode"]) == chosen


@pytest.mark.parametrize("words", [["--direct_num_workers", "many"], ["--direct_num_workers"]])
def test_a_wrong_value_of_a_beam_option(words, job, sound):
    assert "a Beam option has a wrong value: argument --direct_num_workers" in refused(job, *words)


def test_a_word_without_an_option(job, sound):
    assert "'stray' belongs to no option" in refused(job, "--dry_run", "stray")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--canvas", "big"], "'big' is not auto or <width>x<height>"),
        (["--canvas", "70000x10"], "'70000x10' is not auto or <width>x<height>"),
        (["--image_width", "0"], "'0' is not a whole number from 1 to 99999"),
        (["--tfrecord_shards", "many"], "'many' is not a whole number"),
        (["--max_rejected", "5"], "'5' is not a share from 0 to 1"),
        (["--resample", "cubic"], "invalid choice: 'cubic'"),
        (["--views", "ML"], "invalid choice: 'ML'"),
        (["--patient_overlap", "ignore"], "invalid choice: 'ignore'"),
    ],
)
def test_a_wrong_value(words, message, job, sound):
    assert message in refused(job, *words)


def test_a_mammogram_in_two_csvs_is_one_mammogram(job, sound):
    write_csv(sound / "more_train.csv", [TRAIN[0]])
    status, output, _ = job(train="*train.csv")
    assert status == 0
    assert "4 mammograms named, 4 matched to a file" in output
