"""The contract of the stores: one class of tests, run for a local folder and for gs://.

The tests call `storage`, as the project does, and read around it with plain tools: `pathlib` for a folder, a client of
the emulator for a bucket.
"""

import json
import threading

import pytest

from preprocess.files import gcs, lease, lock, storage
from preprocess.files.listing import ListedFile, Listing
from preprocess.runtime.errors import InputError, RunFailed
from tests.support.faulty_proxy import proxy


class StoreContract:
    """What every store guarantees. A subclass provides `root`, `peek` and `plant`.

    Attributes:
        root: an empty folder or prefix.
        peek: path below the root -> bytes, for every file, read without `storage`.
        plant: writes a file below the root without `storage`.
    """

    def test_written_bytes_are_read(self, root, peek):
        for name, data in {"a/b.bin": b"\0\xff\n" * 1000, "empty": b"", "x.gz": b"not gzip"}.items():
            storage.write(storage.join(root, name), data)
            assert peek()[name] == data
            assert storage.read(storage.join(root, name)) == data

    def test_a_file_of_somebody_else_is_read(self, root, plant):
        plant("deep/er/file", b"planted")
        assert storage.read(storage.join(root, "deep/er/file")) == b"planted"

    def test_a_stream_seeks_and_reads_in_pieces(self, root, plant):
        data = bytes(range(256)) * 4096
        plant("large", data)
        for buffer in (1000, 1 << 18, 8 << 20):
            with storage.open_for_reading(storage.join(root, "large"), buffer) as stream:
                assert stream.seek(0, 2) == len(data)
                stream.seek(300_000)
                assert stream.read(10) == data[300_000:300_010]
                stream.seek(5)
                target = bytearray(2000)
                assert stream.readinto(target) == 2000
                assert target == data[5:2005]
                stream.seek(len(data) - 3)
                assert stream.read(100) == data[-3:]
                assert stream.read(100) == b""

    def test_listing(self, root, plant):
        assert storage.list_files(root) == {}
        for name in ("b/c/d.dcm", "a.txt", "b/.hidden", "star*", "br[ack]et"):
            plant(name, b"123")
        assert storage.list_files(root) == dict.fromkeys(("b/c/d.dcm", "a.txt", "b/.hidden", "star*", "br[ack]et"), 3)
        assert storage.list_files(f"{root}/") == storage.list_files(root)
        assert storage.list_folder(root) == ["a.txt", "br[ack]et", "star*"]
        assert storage.list_files(storage.join(root, "nothing")) == {}

    def test_the_entries_of_a_folder(self, root, plant):
        assert storage.list_entries(root) == []
        for name in ("b/c/d.dcm", "b/e", "a.txt", "b.txt/f", "br[ack]et/g/h"):
            plant(name, b"123")
        assert storage.list_entries(root) == ["a.txt", "b", "b.txt", "br[ack]et"]
        assert storage.list_entries(storage.join(root, "b")) == ["c", "e"]
        assert storage.list_entries(storage.join(root, "nothing")) == []

    def test_a_listing_with_versions(self, root, plant):
        assert storage.survey(root) == Listing({})
        for name in ("b/c/d.dcm", "a.txt"):
            plant(name, b"123")
        versions = {name: storage.version(storage.join(root, name)) for name in ("b/c/d.dcm", "a.txt")}
        listed = {name: ListedFile(3, version) for name, version in versions.items()}
        assert storage.survey(root) == storage.survey(f"{root}/") == Listing(listed)
        assert storage.survey(storage.join(root, "b")).files == {"c/d.dcm": listed["b/c/d.dcm"]}
        with storage.open_for_reading(storage.join(root, "a.txt")) as stream:
            assert storage.version_of(stream) == versions["a.txt"]

    def test_the_only_file_of_a_folder(self, root, plant):
        plant("a/x.dcm", b"123")
        plant("a/b/y.dcm", b"123")
        plant("a/b/z.dcm", b"123")
        assert storage.only_file(storage.join(root, "a/")) == storage.join(root, "a/x.dcm")
        with pytest.raises(FileNotFoundError, match="2 files; expected one in the folder"):
            storage.only_file(storage.join(root, "a/b"))

    @pytest.mark.parametrize("buffer", [1 << 18, 300_000, 1 << 20])
    def test_a_stream_that_is_read_ahead(self, root, plant, buffer):
        data = bytes(range(251)) * 10_000
        plant("large", data)
        with storage.open_for_reading(storage.join(root, "large"), buffer, whole=True) as stream:
            assert stream.seek(0, 2) == len(data)
            stream.seek(1000)
            pieces = [stream.read(100_000) for _ in range(30)]
            assert b"".join(pieces) == data[1000:]
            stream.seek(7)  # back
            assert stream.read(10) == data[7:17]
            stream.seek(2_000_000)
            assert stream.read() == data[2_000_000:]

    def test_a_prefix_of_a_name_is_not_its_folder(self, root, plant):
        plant("out/file", b"")
        plant("output/file", b"")
        assert storage.list_files(storage.join(root, "out")) == {"file": 0}

    def test_patterns_match_within_one_folder(self, root, plant):
        for name in ("csv/a_train.csv", "csv/b_train.csv", "csv/old/c_train.csv", "csv/a[1].csv", "csv/a1.csv"):
            plant(name, b"")
        assert storage.match(storage.join(root, "csv/*_train.csv")) == [
            storage.join(root, "csv/a_train.csv"), storage.join(root, "csv/b_train.csv"),
        ]  # fmt: skip
        assert storage.match(storage.join(root, "csv/a[1].csv")) == [storage.join(root, "csv/a[1].csv")]
        assert storage.match(storage.join(root, "csv/none*")) == []

    def test_a_version_changes_with_the_file_and_only_then(self, root, plant):
        plant("film", b"first")
        path = storage.join(root, "film")
        first = storage.version(path)
        assert first == storage.version(path) != ""
        plant("film", b"other")
        assert storage.version(path) != first

    def test_a_file_is_replaced_at_once(self, root, peek):
        path = storage.join(root, "file")
        storage.write(path, b"old")
        with storage.open_for_writing(path) as stream:
            stream.write(b"new")
            stream.flush()
            assert peek()["file"] == b"old"
        assert peek() == {"file": b"new"}

    def test_an_interrupted_write_leaves_the_old_file(self, root, peek):
        path = storage.join(root, "file")
        storage.write(path, b"old")

        def write_half():
            with storage.open_for_writing(path) as stream:
                stream.write(b"half")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_half()
        assert peek() == {"file": b"old"}

    def test_a_reader_never_sees_half_a_file(self, root):
        path = storage.join(root, "file")
        contents = [bytes([number]) * 100_000 for number in range(10)]
        storage.write(path, contents[0])
        seen, ended = set(), threading.Event()

        def read():
            while not ended.is_set():
                seen.add(storage.read(path))

        reader = threading.Thread(target=read)
        reader.start()
        for content in contents:
            storage.write(path, content)
        ended.set()
        reader.join()
        assert seen
        assert seen <= set(contents)

    def test_moving_replaces_and_can_be_repeated(self, root, plant, peek):
        for number in range(25):
            plant(f"old/{number}", str(number).encode())
        plant("new/0", b"in the way")
        pairs = [(storage.join(root, f"old/{number}"), storage.join(root, f"new/{number}")) for number in range(25)]
        storage.move(pairs[:12])
        storage.move(pairs)
        assert peek() == {f"new/{number}": str(number).encode() for number in range(25)}
        with pytest.raises(FileNotFoundError):
            storage.move([(storage.join(root, "gone"), storage.join(root, "anywhere"))])

    def test_deleting(self, root, plant, peek):
        for name in ("a/1", "a/2", "ab", "b"):
            plant(name, b"")
        storage.delete([storage.join(root, "b"), storage.join(root, "missing")])
        storage.delete_folder(storage.join(root, "a"))
        storage.delete_folder(storage.join(root, "a"))
        assert peek() == {"ab": b""}

    def test_missing_files(self, root):
        path = storage.join(root, "missing")
        assert not storage.exists(path)
        for function in (storage.read, storage.open_for_reading, storage.version):
            with pytest.raises(FileNotFoundError) as raised:
                function(path)
            assert "\n" not in storage.error_message(raised.value)

    def test_upload_and_download(self, root, peek, tmp_path):
        (tmp_path / "here").write_bytes(b"content")
        storage.upload(str(tmp_path / "here"), storage.join(root, "deep/there"))
        assert peek() == {"deep/there": b"content"}
        storage.download(storage.join(root, "deep/there"), str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == b"content"

    def test_one_lock_at_a_time(self, root, peek):
        with lock.locked(root, "--output") as token:
            assert set(json.loads(peek()[".lock"])) == {"who", "since", "token"}
            lock.check(root, token)
            with pytest.raises(InputError, match=r"another run is writing there .*choose another --output"):
                lock.locked(root, "--output").__enter__()
            lock.check(root, token)
        assert peek() == {}
        with lock.locked(root, "--output"):
            pass

    def test_a_lock_is_released_after_an_error(self, root, peek):
        with pytest.raises(ZeroDivisionError), lock.locked(root, "--output"):
            raise ZeroDivisionError
        assert peek() == {}


class TestLocal(StoreContract):
    @pytest.fixture
    def root(self, tmp_path):
        (tmp_path / "root").mkdir()
        return str(tmp_path / "root")

    @pytest.fixture
    def peek(self, tmp_path):
        folder = tmp_path / "root"

        def read():
            files = (path for path in folder.rglob("*") if path.is_file())
            found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
            return {name: data for name, data in found.items() if ".unfinished-" not in name}

        return read

    @pytest.fixture
    def plant(self, tmp_path):
        def write(name, data):
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

        return write


class TestGoogleCloudStorage(StoreContract):
    """Behind a proxy that checks preconditions on generations, which the emulator ignores."""

    @pytest.fixture
    def root(self, bucket, monkeypatch, request):
        _, environment = bucket
        with proxy(environment["STORAGE_EMULATOR_HOST"], lambda *_: None) as server:
            for name, value in (environment | {"STORAGE_EMULATOR_HOST": server.url}).items():
                monkeypatch.setenv(name, value)
            gcs._own_client.cache_clear()
            yield f"gs://films/{request.node.name}"
            gcs._own_client.cache_clear()

    @pytest.fixture
    def peek(self, bucket, root):
        films, _ = bucket
        prefix = f"{root.removeprefix('gs://films/')}/"
        return lambda: {
            blob.name.removeprefix(prefix): blob.download_as_bytes() for blob in films.list_blobs(prefix=prefix)
        }

    @pytest.fixture
    def plant(self, bucket, root):
        films, _ = bucket
        prefix = root.removeprefix("gs://films/")
        return lambda name, data: films.blob(f"{prefix}/{name}").upload_from_string(data)

    def test_a_lost_lock_is_noticed(self, root, plant):
        with lock.locked(root, "--output") as token:
            plant(".lock", json.dumps({"who": "other", "since": "now", "token": "other"}).encode())
            with pytest.raises(RunFailed, match="another run has taken it over"):
                lock.check(root, token)

    def test_a_job_without_a_lock_notices_that_of_another_run(self, root, peek, monkeypatch):
        lock.check(root, lock.WITHOUT_LOCK)
        with lock.locked(root, "--output"):
            with pytest.raises(
                RunFailed, match=r"another run is writing there \(.*, process \d+, since 20.*start this"
            ):
                lock.check(root, lock.WITHOUT_LOCK)
            monkeypatch.setattr(lease, "LEASE_SECONDS", -1.0)  # every lock has expired
            lock.check(root, lock.WITHOUT_LOCK)
        assert peek() == {}


@pytest.mark.parametrize("path", ["s3://bucket/x", "hdfs://host/x", "foo://x"])
def test_other_schemes_are_refused(path):
    for function in (storage.read, storage.list_files, storage.match, storage.exists, storage.absolute):
        with pytest.raises(InputError, match=r"://.* is not supported; give a local path or a gs:// path"):
            function(path)
