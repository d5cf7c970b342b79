"""The command from gs:// to gs://, against a storage emulator on loopback, with the real client libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.films import LAYOUTS, Described, random_film, write_csv
from tests.test_preprocess import tree

TRAIN = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
TEST = [Described("Calc-Test_P_00009_LEFT_CC", "4"), Described("Mass-Test_P_00008_LEFT_MLO", "1")]


def preprocess(environment, *words):
    return run("pipelines.preprocess", environment, *words)


def run(module, environment, *words):
    argv = [sys.executable, "-m", module, *map(str, words)]
    root = Path(__file__).parents[1]
    return subprocess.run(argv, cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    root = tmp_path_factory.mktemp("local")
    write_csv(root / "csv/train.csv", TRAIN)
    write_csv(root / "csv/test.csv", TEST)
    for number, film in enumerate(TRAIN + TEST):
        LAYOUTS[["NBIA classic", "converted TIFF", "JPEG mirror"][number % 3]](
            root / "images", film, random_film(number)
        )
    return root


def options(root, out):
    return ["--input", f"{root}/images", "--train_csv", f"{root}/csv/train*.csv", "--test_csv", f"{root}/csv/test.csv",
            "--output", out]  # fmt: skip


def test_the_same_bytes_on_gs_as_in_a_folder(bucket, local, tmp_path):
    films, environment = bucket
    for path in local.rglob("*"):
        if path.is_file():
            films.blob(f"in/{path.relative_to(local)}").upload_from_filename(path)
    out = "out"
    ran = preprocess(environment, *options("gs://films/in", f"gs://films/{out}"), "--direct_num_workers=2")
    assert ran.returncode == 0, ran.stderr
    expected = preprocess({}, *options(local, tmp_path / "out"), "--direct_num_workers=1")
    assert expected.returncode == 0
    written = {
        blob.name.removeprefix(f"{out}/"): blob.download_as_bytes() for blob in films.list_blobs(prefix=f"{out}/")
    }
    assert written == tree(tmp_path / "out")
    verified = run("pipelines.verify", environment, f"gs://films/{out}")
    assert verified.stdout.endswith(
        f"gs://films/{out}: 6 images in 10 files are what the manifest says, PNG for record\n"
    )
    reported = run("pipelines.report", environment, f"gs://films/{out}")
    assert reported.returncode == 0, reported.stderr
    page = films.blob(f"{out}/report.html").download_as_bytes()
    assert run("pipelines.report", {}, tmp_path / "out").returncode == 0
    assert page == (tmp_path / "out/report.html").read_bytes().replace(
        str(tmp_path / "out").encode(), b"gs://films/out"
    )
    again = preprocess(environment, *options("gs://films/in", f"gs://films/{out}"))
    assert "already holds this data set" in again.stdout
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


def test_a_dry_run_on_gs_writes_nothing(bucket, local):
    films, environment = bucket
    ran = preprocess(environment, *options("gs://films/in", "gs://films/dry"), "--dry_run")
    assert ran.returncode == 0, ran.stderr
    assert "6 mammograms named, 6 matched to a file" in ran.stdout
    assert list(films.list_blobs(prefix="dry")) == []
