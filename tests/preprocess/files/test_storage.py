import pytest

from preprocess.files import storage
from preprocess.runtime.errors import InputError


@pytest.mark.parametrize("name", ["plain", "with space", "a[b]c", "star*", "what?"])
def test_listing_takes_names_as_they_are(name, tmp_path):
    root = tmp_path / name
    for file in ("a.txt", "b/c/d.dcm", "b/.hidden"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"123")
    (tmp_path / "plainer").mkdir()
    (tmp_path / "plainer/x").write_bytes(b"")
    assert storage.list_files(str(root)) == {"a.txt": 3, "b/c/d.dcm": 3, "b/.hidden": 3}
    assert storage.list_files(f"{root}/") == storage.list_files(str(root))


@pytest.mark.parametrize("name", ["a[b]c.csv", "what?.csv"])
def test_a_path_that_looks_like_a_pattern_is_itself(name, tmp_path):
    for file in (name, "abc.csv", "whatx.csv"):
        (tmp_path / file).write_bytes(b"")
    assert storage.match(str(tmp_path / name)) == [str(tmp_path / name)]
    assert storage.match(str(tmp_path / "a*.csv")) == sorted(str(p) for p in tmp_path.glob("a*.csv"))


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("x/../y/") == str(tmp_path / "y")
    assert storage.absolute("gs://bucket/x/") == "gs://bucket/x"
    assert storage.join("gs://bucket/x", "y/z") == "gs://bucket/x/y/z"
    assert storage.join("/", "y") == "/y"


def test_what_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/x: cannot be written to \(.*choose another --output"):
        storage.check_writable(str(tmp_path / "file/x"), "--output")
    storage.check_writable(str(tmp_path / "new"), "--output")
    assert list((tmp_path / "new").iterdir()) == []


def test_parallel_calls_are_a_few_items_ahead():
    """With two threads, at most nine items are taken before the first result is used."""
    taken = []
    results = storage.map_items(lambda number: -number, (taken.append(n) or n for n in range(1000)), True, 2)
    assert next(results) == 0
    assert len(taken) == 9
    assert list(results) == [-number for number in range(1, 1000)]


def test_an_error_ends_parallel_calls():
    taken = []
    results = storage.map_items(lambda n: 1 // (5 - n), (taken.append(n) or n for n in range(1000)), True, 2)
    with pytest.raises(ZeroDivisionError):
        list(results)
    assert len(taken) <= 5 + 9
