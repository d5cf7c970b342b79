"""The commands with input and output in gs://: the real client libraries and a storage emulator on localhost."""

import os
import subprocess
import sys

import pytest

from pipelines import verify
from tests.pipelines.test_preprocess import tree
from tests.support.cloud import assert_same_dataset, objects, run, upload
from tests.support.environments import ROOT
from tests.support.films import Described, write_download

TRAIN = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
TEST = [Described("Calc-Test_P_00009_LEFT_CC", "4"), Described("Mass-Test_P_00008_LEFT_MLO", "1")]


def preprocess(environment, *words):
    return run("pipelines.preprocess", environment, *words)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    root = tmp_path_factory.mktemp("local")
    write_download(root, TRAIN, TEST, ["NBIA classic", "converted TIFF", "JPEG mirror"])
    return root


@pytest.fixture(scope="module")
def films_in_bucket(bucket, local):
    """The bucket and its environment variables; the films are in `in/`."""
    films, environment = bucket
    upload(local, films, "in/")
    return films, environment


def options(root, out):
    return ["--input", f"{root}/images", "--train_csv", f"{root}/csv/train*.csv", "--test_csv", f"{root}/csv/test.csv",
            "--output", out]  # fmt: skip


def test_a_bucket_gets_the_same_bytes_as_a_folder(films_in_bucket, local, tmp_path):
    films, environment = films_in_bucket
    out = "out"
    ran = preprocess(environment, *options("gs://films/in", f"gs://films/{out}"), "--direct_num_workers=2")
    assert ran.returncode == 0, ran.stderr
    expected = preprocess({}, *options(local, tmp_path / "out"), "--direct_num_workers=1")
    assert expected.returncode == 0
    written, on_disk = objects(films, f"{out}/"), tree(tmp_path / "out")
    assert_same_dataset(written, on_disk)
    verified = run("pipelines.verify", environment, f"gs://films/{out}")
    assert verified.stdout.endswith(
        f"gs://films/{out}: 6 images in 17 files agree with the manifest, and each PNG with its record\n"
    )
    reported = run("pipelines.report", environment, f"gs://films/{out}")
    assert reported.returncode == 0, reported.stderr
    page = films.blob(f"{out}/report.html").download_as_bytes()
    assert run("pipelines.report", {}, tmp_path / "out").returncode == 0
    assert page == (tmp_path / "out/report.html").read_bytes().replace(
        str(tmp_path / "out").encode(), b"gs://films/out"
    )
    again = preprocess(environment, *options("gs://films/in", f"gs://films/{out}"))
    assert "already contains this data set" in again.stdout
    forced = preprocess(
        environment,
        *options("gs://films/in", f"gs://films/{out}"),
        "--views",
        "CC",
        "--force",
        "--direct_num_workers=1",
    )
    assert forced.returncode == 0, forced.stderr
    assert len(list(films.list_blobs(prefix=f"{out}/"))) == len(written) - 1


def test_a_star_does_not_match_across_folders(bucket):
    films, environment = bucket
    for name in ("csv/a_train_set.csv", "csv/old/b_train_set.csv"):
        films.blob(f"globs/{name}").upload_from_string(b"x")
    program = "from preprocess.files import storage; print(storage.match('gs://films/globs/csv/*_train_set.csv'))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ | environment, check=True,
                         capture_output=True, text=True)  # fmt: skip
    assert ran.stdout == "['gs://films/globs/csv/a_train_set.csv']\n"


@pytest.mark.parametrize("name", ["gs://<BUCKET>/out", "gs://my_bucket-/out", "gs:///out"])
def test_invalid_bucket_names_are_refused_with_one_line(name, capsys):
    assert verify.main([name]) == 2
    assert "is not a valid bucket name; expected gs://bucket/path\n" in capsys.readouterr().err


def test_a_dry_run_writes_nothing_to_a_bucket(films_in_bucket):
    films, environment = films_in_bucket
    ran = preprocess(environment, *options("gs://films/in", "gs://films/dry"), "--dry_run")
    assert ran.returncode == 0, ran.stderr
    assert "6 mammograms named, 6 matched to a file" in ran.stdout
    assert list(films.list_blobs(prefix="dry")) == []


def test_a_sample_in_a_bucket_is_the_same_as_in_a_folder(bucket, tmp_path):
    films, environment = bucket
    for root in ("gs://films/sample", "gs://films/sample", tmp_path / "sample"):  # twice: the second replaces the first
        ran = run("pipelines.make_sample", environment, "--output", root, "--patients=8")
        assert ran.returncode == 0, ran.stderr
    assert objects(films, "sample/") == tree(tmp_path / "sample")
    films.blob("taken/x").upload_from_string(b"")
    refused = run("pipelines.make_sample", environment, "--output", "gs://films/taken", "--patients=8")
    assert refused.stderr == (
        "error: gs://films/taken: contains files but no SYNTHETIC.txt, so it is not a sample; choose another --output\n"
    )
