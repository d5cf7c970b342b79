"""The server that stands in for the bucket `idc-open-data` in the benchmarks, read with Google's client."""

import base64
import csv
import hashlib
import io

import google_crc32c
import pydicom
import pytest
import requests
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage
from pydicom.uid import ImplicitVRLittleEndian

from benchmarks.idc_films import BLOCK_BYTES, write_film
from benchmarks.idc_server import Server, started
from benchmarks.line import Line
from tests import ROOT
from tests.support.cloud import serving

with (ROOT / "preprocess/cases/catalogue.csv").open(newline="") as file:
    ROWS = sorted(csv.DictReader(file), key=lambda row: int(row["bytes"]))
SOME = [*ROWS[::170], ROWS[-1]]  # 20 films from the smallest to the largest
FOLDERS = [row["idc_folder"] for row in SOME]


@pytest.fixture(scope="module")
def url():
    with started() as url:
        yield url


@pytest.fixture
def bucket(url, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    return storage.Client.create_anonymous_client().bucket("idc-open-data")


def only(bucket, folder):
    """The one object of a folder, from a listing."""
    (blob,) = bucket.list_blobs(prefix=f"{folder}/", fields="items(name,size,generation),nextPageToken")
    return blob


def media(url, blob):
    return f"{url}/download/storage/v1/b/idc-open-data/o/{blob.name.replace('/', '%2F')}?alt=media"


def test_a_folder_contains_one_film_of_the_size_in_the_catalogue(bucket):
    assert len(SOME) == 20
    for row in SOME:
        blob = only(bucket, row["idc_folder"])
        folder, instance = blob.name.split("/")
        assert (folder, blob.size) == (row["idc_folder"], int(row["bytes"]))
        assert len(instance) == 40
        assert instance.endswith(".dcm")
        assert len(blob.download_as_bytes()) == blob.size


def test_a_film_is_a_secondary_capture_image_with_the_identifiers_of_the_catalogue(bucket):
    for row in SOME:
        data = only(bucket, row["idc_folder"]).download_as_bytes()
        film = pydicom.dcmread(io.BytesIO(data))
        pixels = film.pixel_array
        height, width = pixels.shape
        assert 3256 <= height <= 7111
        assert 1531 <= width <= 5431
        assert 978 <= len(data) - 2 * height * width <= 1088
        assert film.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        assert film.SOPClassUID.name == "Secondary Capture Image Storage"
        assert (film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation) == (16, 16, 15, 0)
        assert film.PhotometricInterpretation == "MONOCHROME2"
        assert (film.PatientID, film.PatientOrientation) == (row["mammogram_id"], row["view"])
        assert film.Laterality == row["side"][0]
        assert (film.StudyInstanceUID, film.SeriesInstanceUID) == (row["study_uid"], row["series_uid"])
        assert (pixels.min(), pixels.max()) == (film.SmallestImagePixelValue, film.LargestImagePixelValue)
        assert "ViewPosition" not in film
        assert "NumberOfFrames" not in film


def test_the_checksum_is_that_of_the_whole_film(bucket):
    for folder in FOLDERS[::5]:
        (blob,) = bucket.list_blobs(prefix=f"{folder}/", fields="items(name,crc32c),nextPageToken")
        listed = blob.crc32c
        data = blob.download_as_bytes(checksum="crc32c")  # raises DataCorruption if the answer has another one
        assert base64.b64decode(listed) == google_crc32c.Checksum(data).digest()
        blob.reload()
        assert blob.crc32c == listed


def test_films_have_different_pixels(bucket):
    starts = [only(bucket, folder).download_as_bytes(start=2000, end=6000, checksum=None) for folder in FOLDERS]
    assert len(set(starts)) == len(FOLDERS)


def test_ranges_are_parts_of_the_whole(bucket, rng):
    blob = only(bucket, FOLDERS[10])
    whole = blob.download_as_bytes()
    block = BLOCK_BYTES
    ends = [(0, 1), (0, 4096), (1000, 1100), (block - 1, block + 1), (3, 2 * block + 5), (blob.size - 1, blob.size)]
    ends += [sorted((rng.randrange(blob.size), rng.randrange(blob.size) + 1)) for _ in range(20)]
    for start, stop in ends:
        if start < stop:
            assert blob.download_as_bytes(start=start, end=stop - 1, checksum=None) == whole[start:stop], (start, stop)
    reader = blob.open("rb", chunk_size=8 << 20)
    assert hashlib.sha256(reader.read()).digest() == hashlib.sha256(whole).digest()


@pytest.mark.parametrize(
    ("header", "status", "start", "stop"),
    [
        ("bytes=5-", 206, 5, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=0-999999999", 206, 0, None),
        ("bytes=9-3", 200, 0, None),
        ("pixels=1-2", 200, 0, None),
        ("bytes=1-2,4-5", 200, 0, None),
        ("bytes=2-4", 206, 2, 5),
    ],
)
def test_forms_of_the_range_header(url, bucket, header, status, start, stop):
    blob = only(bucket, FOLDERS[0])
    whole = blob.download_as_bytes()
    answer = requests.get(media(url, blob), headers={"Range": header}, timeout=60)
    assert (answer.status_code, answer.content) == (status, whole[start:stop])
    first, last, _ = slice(start, stop).indices(len(whole))
    content_range = f"bytes {first}-{last - 1}/{len(whole)}" if status == 206 else None
    assert answer.headers.get("Content-Range") == content_range


def test_a_range_behind_the_end_is_not_satisfiable(url, bucket):
    blob = only(bucket, FOLDERS[0])
    answer = requests.get(media(url, blob), headers={"Range": f"bytes={blob.size}-"}, timeout=60)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{blob.size}"


def test_two_servers_and_the_files_on_disk_have_the_same_bytes(bucket, tmp_path, monkeypatch):
    with started() as other:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", other)
        second = storage.Client.create_anonymous_client().bucket("idc-open-data")
        for folder in FOLDERS[::6]:
            blob = only(bucket, folder)
            path = write_film(folder, tmp_path)
            assert path == tmp_path / blob.name
            assert path.read_bytes() == blob.download_as_bytes()
            again = only(second, folder)
            assert (again.name, again.generation) == (blob.name, blob.generation)
            assert again.download_as_bytes() == blob.download_as_bytes()


def test_the_listing_of_the_bucket_has_all_films_in_order(bucket):
    blobs = list(bucket.list_blobs(fields="items(name,size),nextPageToken"))
    names = [blob.name for blob in blobs]
    assert names == sorted(set(names))
    assert [name.split("/")[0] for name in names] == sorted(row["idc_folder"] for row in ROWS)
    assert sum(blob.size for blob in blobs) == sum(int(row["bytes"]) for row in ROWS) == 102_632_395_144


def test_a_delimiter_lists_the_folders(bucket):
    listing = bucket.list_blobs(delimiter="/", prefix="2")
    assert list(listing) == []
    expected = {f"{row['idc_folder']}/" for row in ROWS if row["idc_folder"].startswith("2")}
    assert listing.prefixes == expected
    assert [blob.name for blob in bucket.list_blobs(delimiter="/", prefix=f"{FOLDERS[0]}/")] == [
        only(bucket, FOLDERS[0]).name
    ]


def test_pages_have_the_requested_length(url):
    page = requests.get(f"{url}/storage/v1/b/idc-open-data/o?maxResults=7", timeout=60).json()
    rest = requests.get(
        f"{url}/storage/v1/b/idc-open-data/o", {"maxResults": 7, "pageToken": page["nextPageToken"]}, timeout=60
    ).json()
    folders = sorted(row["idc_folder"] for row in ROWS)
    assert [item["name"].split("/")[0] for item in page["items"] + rest["items"]] == folders[:14]


def test_an_unknown_folder_is_empty(bucket):
    assert list(bucket.list_blobs(prefix="00000000-0000-0000-0000-000000000000/")) == []


def test_only_the_requested_fields_are_sent(bucket):
    (blob,) = bucket.list_blobs(prefix=FOLDERS[0], fields="items(name,size),nextPageToken")
    assert (blob.size, blob.generation) == (int(SOME[0]["bytes"]), None)
    blob.reload()
    assert blob.generation == only(bucket, FOLDERS[0]).generation
    assert blob.content_type == "application/dicom"


def test_an_unknown_object_bucket_or_generation_is_not_found(bucket):
    name = only(bucket, FOLDERS[0]).name
    for blob in (bucket.blob("a/b.dcm"), bucket.client.bucket("other").blob(name), bucket.blob(name, generation=1)):
        for request in (blob.reload, blob.download_as_bytes):
            with pytest.raises(NotFound) as caught:
                request()
            assert caught.value.code == 404
    with pytest.raises(NotFound, match=r"No such object: idc-open-data/a/b\.dcm"):
        bucket.blob("a/b.dcm").reload()
    with pytest.raises(PreconditionFailed):
        bucket.blob(name).reload(if_generation_match=1)


class Clock:
    """A clock that only `sleep` moves, each time by `late` seconds too far."""

    def __init__(self, late=0.0):
        self.now, self.late, self.slept = 100.0, late, []

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds + self.late


@pytest.mark.parametrize("late", [0.0, 0.0001, 0.003])
@pytest.mark.parametrize("mbit", [100, 1000, 8000])
def test_a_line_passes_its_rate_within_two_percent(mbit, late):
    clock = Clock(late)
    line = Line(mbit, clock.time, clock.sleep)
    count = mbit * 100  # slices; about 10 s
    for _ in range(count):
        line.wait(Line.SLICE)
    seconds = clock.now - 100
    assert count * Line.SLICE * 8 / seconds == pytest.approx(mbit * 1e6, rel=0.02)


def test_a_line_does_not_save_idle_time():
    clock = Clock()
    line = Line(1000, clock.time, clock.sleep)
    clock.now += 3600
    for _ in range(1000):
        line.wait(Line.SLICE)
    assert clock.now - 3700 == pytest.approx(1000 * Line.SLICE * 8 / 1e9, rel=0.02)


def test_all_answers_take_their_turn_on_the_line(url, bucket):
    clock = Clock()
    target = media("", only(bucket, FOLDERS[0]))
    with serving(Server(line=Line(1000, clock.time, clock.sleep))) as server:
        size = sum(len(requests.get(server.url + target, timeout=60).content) for _ in range(2))
    assert size == 2 * int(SOME[0]["bytes"])
    assert size * 8 / (clock.now - 100) == pytest.approx(1e9, rel=0.02)


def test_each_answer_waits_once_for_the_latency(bucket):
    clock = Clock()
    target = media("", only(bucket, FOLDERS[0]))
    with serving(Server(latency_ms=50, sleep=clock.sleep)) as server, requests.Session() as session:
        for _ in range(3):
            assert session.get(server.url + target, timeout=60).status_code == 200
    assert clock.slept == [0.05] * 3


def test_the_metadata_of_the_bucket_are_not_public(url):
    answer = requests.get(f"{url}/storage/v1/b/idc-open-data", timeout=60)
    assert answer.status_code == answer.json()["error"]["code"] == 401
