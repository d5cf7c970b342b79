"""`--input idc`: films read from a server on loopback that takes the place of the bucket of the IDC.

The films have their true sizes; the tests use the smallest ones.
"""

import collections
import json
import os
import signal
import subprocess
import sys
from urllib.parse import unquote

import pytest
from google.auth.credentials import AnonymousCredentials

from benchmarks.idc_films import write_film
from benchmarks.idc_server import started
from preprocess.cases import catalogue
from preprocess.files import gcs
from tests.pipelines.test_preprocess import omissions, tree
from tests.support.cloud import run
from tests.support.environments import ROOT
from tests.support.faulty_proxy import CUT, RESET, proxy
from tests.support.films import write_csv

SMALLEST = sorted((e for e in catalogue.entries() if e.density != "0"), key=lambda entry: entry.bytes)
TRAIN = [entry for entry in SMALLEST if entry.split == "train"][:5]
TEST = [entry for entry in SMALLEST if entry.split == "test"][:2]


@pytest.fixture(scope="module")
def url():
    with started() as url:
        yield url


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder with case descriptions, and the films in the layout of the bucket."""
    root = tmp_path_factory.mktemp("idc")
    for name, chosen in (("train", TRAIN), ("test", TEST)):
        write_csv(root / f"{name}.csv", [[e.patient, e.density, e.side, e.view, e.image_path] for e in chosen])
        for entry in chosen:
            write_film(entry.idc_folder, root / "images")
    return root


def options(films, out, source="idc"):
    csvs = ["--train_csv", films / "train.csv", "--test_csv", films / "test.csv"]
    return ["--input", source, *csvs, "--output", out, "--patient_overlap", "keep"]


def preprocess(url, *words):
    ran = run("pipelines.preprocess", {"STORAGE_EMULATOR_HOST": url} if url else {}, *words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def expected(films):
    """The data set of the same films on disk."""
    preprocess(None, *options(films, films / "disk", films / "images"))
    return tree(films / "disk")


CARDS = ("data_card.md", "croissant.json", "cache/dataset_info.json")
"""The files that contain the source of the films."""


def assert_same(out, expected):
    """Compares all files; the one from IDC has an attribution in its manifest, and a licence in its cards."""
    written = tree(out)
    assert set(written) == set(expected)
    for name in set(expected) - {"manifest.json", ".film_versions.json", *CARDS}:
        assert written[name] == expected[name], name
    manifest, other = (json.loads(files["manifest.json"]) for files in (written, expected))
    for name in CARDS:
        assert (b"No licence is known" in written[name], b"No licence is known" in expected[name]) == (False, True)
        assert manifest["files"].pop(name)["sha256"] != other["files"].pop(name)["sha256"]
    assert manifest.pop("attribution") == catalogue.ATTRIBUTION
    assert manifest == other


@pytest.mark.parametrize("workers", [1, 2])
def test_the_data_set_is_that_of_the_same_films_on_disk(workers, url, films, expected, tmp_path):
    words = options(films, tmp_path / "out")
    preprocess(url, *words, f"--direct_num_workers={workers}")
    assert_same(tmp_path / "out", expected)
    assert "already contains this data set" in preprocess(url, *words)


@pytest.mark.parametrize("fault", [503, RESET, CUT])
def test_temporary_failures_change_no_byte(fault, url, films, expected, tmp_path):
    def every_sixth(number, _method, _path):
        return fault if number % 6 == 0 else None

    with proxy(url, every_sixth) as server:
        preprocess(server.url, *options(films, tmp_path / "out"), "--direct_num_workers=2")
        assert server.failed >= 5
    assert_same(tmp_path / "out", expected)


def requests_of(server):
    """Returns folder -> number of requests for contents of its film."""
    paths = [unquote(path) for _, path in server.requests if "alt=media" in path]
    return collections.Counter(path.partition("/o/")[2].partition("/")[0] for path in paths)


def test_images_that_are_made_are_not_read_again(url, films, expected, tmp_path):
    """The run is killed before its last image. The second one reads the headers of all films, and the rest of some."""
    out, process = tmp_path / "out", []
    staged = f"{out}/.staging"

    def kill_late(_number, _method, _path):
        if sum(name.endswith(".png") for _, _, names in os.walk(staged) for name in names) >= 3:
            os.killpg(process[0].pid, signal.SIGKILL)

    command = [sys.executable, "-m", "pipelines.preprocess", *options(films, out), "--direct_num_workers=1"]
    with proxy(url, kill_late) as server:
        process.append(subprocess.Popen(
            list(map(str, command)), cwd=ROOT, env=os.environ | {"STORAGE_EMULATOR_HOST": server.url},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        ))  # fmt: skip
        process[0].communicate()
        assert process[0].returncode == -signal.SIGKILL
    done = {path.name.partition("_")[2].partition(".")[0] for path in out.glob(".staging/*/images/*/*.png")}
    assert 3 <= len(done) < 7
    with proxy(url, lambda *_: None) as server:
        assert f"{len(done)} images are there from an interrupted run" in preprocess(
            server.url, *options(films, out), "--direct_num_workers=1"
        )
        requests = requests_of(server)
    for entry in (*TRAIN, *TEST):
        assert (requests[entry.idc_folder] == 1) == (entry.mammogram_id in done), entry.mammogram_id
    assert_same(out, expected)


def test_without_case_descriptions_the_catalogue_is_used(url, tmp_path):
    output = preprocess(
        url, "--input=idc", "--output", tmp_path / "out", "--train_per_category=1", "--test_count=1", "--views=CC"
    )
    assert "3,103 mammograms named, 3,103 matched to a file, 0 missing, 2 rejected" in output
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["attribution"] == catalogue.ATTRIBUTION
    assert manifest["counts"]["train"] == {"1": 1, "2": 1, "3": 1, "4": 1}
    reasons = {line["reason"] for line in omissions(tmp_path / "out") if line["kind"] == "rejected"}
    assert reasons == {"the catalogue: density '0' is not one of 1, 2, 3, 4"}


def test_the_bucket_is_read_without_credentials(monkeypatch):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file")
    gcs._public_client.cache_clear()
    client = gcs.get_blob("gs://idc-open-data/a/b.dcm").client
    gcs._public_client.cache_clear()
    assert isinstance(client._credentials, AnonymousCredentials)
    assert client.api_endpoint == "https://storage.googleapis.com"


def test_a_film_that_is_not_there_is_rejected(url, films, tmp_path):
    """A server without one of the folders."""
    gone = TRAIN[0].idc_folder

    def missing(_number, _method, path):
        return 404 if gone in path else None

    with proxy(url, missing) as server:
        preprocess(server.url, *options(films, tmp_path / "out"), "--max_rejected=0.5")
    (line,) = omissions(tmp_path / "out")
    assert (line["case"], line["source"], line["stage"]) == (TRAIN[0].mammogram_id, f"{gone}/", "header")
