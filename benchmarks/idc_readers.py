"""The least work of a program that reads films from the bucket `idc-open-data`, with two clients."""

import functools
import os
from urllib.parse import quote

import requests
from google.cloud import storage

from benchmarks.idc_films import Film
from benchmarks.idc_objects import BUCKET
from preprocess.files.storage import BUFFER_BYTES


def read_ranges(job: tuple[str, Film]) -> None:
    """Reads a film with requests for 8 MiB each, without copying what is received."""
    url, film = job
    session = _session()
    (item,) = session.get(f"{url}/storage/v1/b/{BUCKET}/o", params={"prefix": f"{film.folder}/"}).json()["items"]
    target = f"{url}/download/storage/v1/b/{BUCKET}/o/{quote(item['name'], safe='')}?alt=media"
    received = 0
    for start in range(0, int(item["size"]), BUFFER_BYTES):
        headers = {"Range": f"bytes={start}-{start + BUFFER_BYTES - 1}"}
        with session.get(f"{target}&generation={item['generation']}", headers=headers, stream=True) as answer:
            received += len(answer.raw.read(BUFFER_BYTES))
    _check(film, received)


def read_blobs(job: tuple[str, Film]) -> None:
    """Reads a film as a stream of Google's client."""
    url, film = job
    fields = "items(name,size,generation),nextPageToken"
    (blob,) = _client(url).list_blobs(BUCKET, prefix=f"{film.folder}/", fields=fields)
    with blob.open("rb", chunk_size=BUFFER_BYTES) as stream:
        _check(film, sum(map(len, iter(lambda: stream.read(BUFFER_BYTES), b""))))


def _check(film: Film, received: int) -> None:
    if received != film.byte_count:
        raise ValueError(f"{film.name}: {received:,} bytes were received; expected {film.byte_count:,}")


@functools.cache
def _session() -> requests.Session:
    return requests.Session()


@functools.cache
def _client(url: str) -> storage.Client:
    os.environ["STORAGE_EMULATOR_HOST"] = url
    return storage.Client.create_anonymous_client()
