"""Films whose disk fails while they are read: they are rejected by name, and the output is not blamed."""

import errno
import io
import os
import shutil

import pytest

from preprocess.files import local
from preprocess.images import make_image
from tests.pipelines.test_preprocess import omissions
from tests.support.films import Described, as_in_csv, random_film, write_csv, write_dicom

FILMS = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 7)]
TEST = [Described("Mass-Test_P_00101_RIGHT_MLO")]
BAD = FILMS[2]
EIO = os.strerror(errno.EIO)


class FailingFile(io.FileIO):
    """A file on a disk with an unreadable sector: reading beyond its first bytes fails."""

    def __init__(self, path, readable):
        super().__init__(path)
        self.readable_bytes = readable

    def readinto(self, buffer):
        if self.tell() >= self.readable_bytes:
            raise OSError(errno.EIO, EIO)
        return super().readinto(memoryview(buffer)[: self.readable_bytes - self.tell()])


@pytest.fixture
def own(tmp_path):
    """A folder with films and case descriptions."""
    write_csv(tmp_path / "train.csv", FILMS)
    write_csv(tmp_path / "test.csv", TEST)
    for number, film in enumerate([*FILMS, *TEST]):
        write_dicom(tmp_path / "images" / film.path, random_film(number, 200, 150))
    return tmp_path


@pytest.fixture
def failing(monkeypatch):
    """A function that makes all files whose path contains a name fail beyond their first `readable` bytes."""
    plain = local.open_for_reading

    def install(name, readable):
        def open_for_reading(path, buffer, whole):
            return io.BufferedReader(FailingFile(path, readable)) if name in path else plain(path, buffer, whole)

        monkeypatch.setattr(local, "open_for_reading", open_for_reading)

    return install


@pytest.mark.parametrize(("readable", "stage"), [(0, "header"), (30_000, "pixels")])
def test_a_film_on_a_failing_disk_is_rejected(readable, stage, own, job, failing):
    failing(BAD.mammogram_id, readable)
    status, output, out = job("--max_rejected=0.5")
    assert status == 0, output
    (line,) = omissions(out)
    assert (line["case"], line["stage"]) == (BAD.mammogram_id, stage)
    assert line["reason"] == f"the file cannot be read: {EIO}"


def test_a_copy_on_a_failing_disk_is_passed_over(own, job, failing):
    """The kinds of several files of a mammogram are read from their first bytes."""
    copy = own / "images/failing" / BAD.path
    copy.parent.mkdir(parents=True)
    shutil.copy(as_in_csv(own / "images", BAD, random_film(2)), copy)
    failing("images/failing", 0)
    status, output, out = job()
    assert status == 0, output
    assert omissions(out) == []


def test_an_error_that_concerns_neither_film_nor_output_does_not_name_the_output(own, job, monkeypatch):
    def fail(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(make_image, "open_task", fail)
    status, output, _ = job()
    assert status == 1
    assert output.splitlines()[-1] == (
        f"error: the Beam job failed and left no result: OSError: [Errno {errno.EMFILE}] {os.strerror(errno.EMFILE)}"
    )
