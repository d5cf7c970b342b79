"""How many requests a film and its image cost in gs://, as docs/scaling.md says."""

import collections
import re
from urllib.parse import unquote

import pytest

from tests.support.cloud import run, upload
from tests.support.faulty_proxy import proxy
from tests.support.films import Described, write_download

FILMS = [Described(f"Calc-Training_P_0000{n}_LEFT_CC", str(n)) for n in (1, 2, 3, 4)]
TEST = [Described("Calc-Test_P_00009_LEFT_CC", "4")]


@pytest.fixture
def requests(bucket, tmp_path):
    """The requests of a job, as (method, path with its query)."""
    store, environment = bucket
    write_download(tmp_path, FILMS, TEST, ["NBIA classic"])
    upload(tmp_path, store, "counted/")
    found = []

    def record(_, method, path):
        found.append((method, unquote(path)))

    where = "gs://films/counted"
    words = [
        "--input",
        f"{where}/images",
        "--train_csv",
        f"{where}/csv/train.csv",
        "--test_csv",
        f"{where}/csv/test.csv",
    ]
    with proxy(environment["STORAGE_EMULATOR_HOST"], record) as server:
        ran = run("pipelines.preprocess", environment | {"STORAGE_EMULATOR_HOST": server.url}, *words,
                  "--output=gs://films/out-counted", "--direct_num_workers=1")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return found


def test_requests_for_a_film_and_its_image(requests):
    """Without the requests for the bytes of a film, which the client sends to the address in the film's metadata."""
    films, images = collections.Counter(), collections.Counter()
    for method, path in requests:
        kind = "data" if "alt=media" in path else "copy" if "/copyTo/" in path else method
        if re.search(r"/o/counted/images/.*\.dcm", path):
            films[kind] += 1
        elif re.search(r"/o/out-counted/\.staging/.*\.png", path):
            images[kind] += 1
    count = len(FILMS) + len(TEST)
    assert films == {"GET": 2 * count}  # metadata, when it is measured and when it is prepared
    assert images == {"GET": count, "data": count, "copy": count, "DELETE": count}  # is it there; records; publication
