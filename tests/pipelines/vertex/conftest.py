"""A bucket with prepared images, and the environment of a user who is signed in."""

import pytest

from tests.support.cloud import upload
from tests.support.labelled import labelled_images, write_folder, write_records


@pytest.fixture(scope="module")
def cloud(bucket, tmp_path_factory):
    """(bucket with images and records, environment variables with which clients find it)."""
    films, environment = bucket
    root = tmp_path_factory.mktemp("data")
    for split, count, seed in (("train", 24, 0), ("test", 9, 1)):
        names, pixels, labels = labelled_images(count, seed)
        write_folder(root / "set" / split, names, pixels)
        write_records(root / f"cache/{split}.tfrecords", names, pixels, labels)
    upload(root, films, "")
    return films, environment


@pytest.fixture
def signed_in(cloud, monkeypatch):
    """The bucket; the environment variables are set in this process."""
    films, environment = cloud
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return films
