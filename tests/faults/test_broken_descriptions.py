"""Damaged case descriptions: each is read, or the run ends before it starts, or the damaged rows are listed."""

import collections
import csv
import io
import re

import pytest

from pipelines import preprocess
from pipelines.preparation.inputs import read_descriptions
from preprocess.cases.description_file import COLUMNS
from preprocess.cases.descriptions import group_by_mammogram
from preprocess.contract import schema
from preprocess.runtime.errors import InputError
from tests.support.films import CALC_COLUMNS, Described

LINE = re.compile(r"[ -~]{5,3000}")  # one printable line
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
FILMS = [
    Described(f"Calc-Training_P_{n:05d}_LEFT_{view}", str(n % 4 + 1)) for n in range(1, 7) for view in ("CC", "MLO")
]
TABLE = [
    [*CALC_COLUMNS, "ROI mask file path"],
    *([*film.row, f"{film.mammogram_id}_1/1/2/000001.dcm\n"] for film in FILMS),
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252", "cp037", "utf-7")
CELLS = (
    "", " ", "\0", "P_00001\0", '"', '"""', ",", "\n", "\r", "\r\n", "\u2028", "..", "../../etc/passwd", "/", "\\",
    "C:\\x", "gs://a/b/c/d", "a/b/c/d", "a/b/c", "-rf/1/2/3", "\x1b[2J/1/2/3", "=cmd|' /C calc'!A0", "<script>/1/2/3",
    "\u0661", "\u00b2", "1.0", "1e0", "+1", "\uff10", "NaN", "true", "\ufeff", "\ufffe", "\U0001f4a9/1/2/3", "é" * 300,
    "x" * 5000, "x" * 200_000, "{}", "%s",
)  # fmt: skip
PIECES = (b'"', b'""', b",", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\t", b";")


def text_of(table, **dialect):
    """Returns a table as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(table)
    return text.getvalue()


def mammograms_in(path, data):
    """Returns the mammograms of a CSV file; None if it ends the run. Every message must be one printable line."""
    path.write_bytes(data)
    message = None
    try:
        mammograms = group_by_mammogram(read_descriptions([str(path)], schema.TRAIN))
    except InputError as error:
        message = str(error)
    if message is not None:
        assert LINE.fullmatch(message), message
        return None
    assert mammograms
    for m in mammograms:
        if m.fault:
            assert LINE.fullmatch(m.fault), m.fault
        else:
            assert NAME.fullmatch(m.mammogram_id)
            assert NAME.fullmatch(m.patient)
            assert m.density in ("1", "2", "3", "4")
            assert m.side in schema.SIDES
            assert m.view in schema.VIEWS
            assert len(m.uids) == 2
    assert len({m.mammogram_id for m in mammograms}) == len(mammograms)
    return mammograms


def mutate_bytes(data, rng):
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        length = rng.choice((1, 2, 10, 200))
        piece = rng.choice((*PIECES, rng.randbytes(length), data[at : at + length]))
        data = data[:at] + piece + data[at + rng.choice((0, 0, len(piece), length)) :]
    return data


def test_files_with_changed_bytes(rng, full, tmp_path):
    whole = text_of(TABLE).encode()
    outcomes = collections.Counter()
    for _ in range(8000 if full else 2000):
        mammograms = mammograms_in(tmp_path / "x.csv", mutate_bytes(whole, rng))
        outcomes["no run" if mammograms is None else "faults" if any(m.fault for m in mammograms) else "read"] += 1
    print(dict(outcomes))
    assert set(outcomes) == {"no run", "faults", "read"}


def test_a_damaged_cell_changes_only_its_own_mammogram(rng, full, tmp_path):
    """The cell contains any text, correctly quoted."""
    whole = {m.mammogram_id: m for m in mammograms_in(tmp_path / "x.csv", text_of(TABLE).encode())}
    outcomes = collections.Counter()
    for _ in range(4000 if full else 500):
        table = [list(row) for row in TABLE]
        row, column = rng.randrange(1, len(table)), rng.randrange(len(COLUMNS) + 1)
        table[row][column] = rng.choice(CELLS) + rng.choice(("", "", table[row][column]))
        quoting, end = rng.choice(((csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_MINIMAL, "\r\n")))
        mammograms = mammograms_in(tmp_path / "x.csv", text_of(table, quoting=quoting, lineterminator=end).encode())
        if mammograms is None:
            assert max(map(len, table[row])) > csv.field_size_limit()
            outcomes["no run"] += 1
            continue
        damaged = FILMS[row - 1].mammogram_id
        others = {m.mammogram_id: m for m in mammograms if m.mammogram_id in whole and m.mammogram_id != damaged}
        assert others == {case: m for case, m in whole.items() if case != damaged}
        (own,) = [m for m in mammograms if m.mammogram_id not in others]
        outcomes["fault" if own.fault else "read"] += 1
    print(dict(outcomes))
    assert outcomes["fault"] > outcomes["read"] > 0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read_correctly_or_ends_the_run(encoding, tmp_path):
    table = [row if n == 0 else [*row[:5], "é\n"] for n, row in enumerate(TABLE)]
    mammograms = mammograms_in(tmp_path / "x.csv", text_of(table).encode(encoding))
    if encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert [m.mammogram_id for m in mammograms] == sorted(film.mammogram_id for film in FILMS)
        assert not any(m.fault for m in mammograms)
    else:
        # In UTF-7, only the cell with é, in a column that is not read, differs from ASCII.
        assert mammograms is None or (encoding == "utf-7" and not any(m.fault for m in mammograms))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (text_of([*TABLE, ["x" * 10_000_000]]).encode(), "field larger than field limit (131072)"),
        (b'"' + b"x\n" * 5_000_000, "field larger than field limit (131072)"),
        (text_of([["c"] * 60_000, ["1"] * 60_000]).encode(), "no column 'patient id'"),
        (bytes(100_000), "no column 'patient id'"),
        (b"\n" * 1_000_000, "no column 'patient id'"),
        (text_of([TABLE[0], *[[""] * 9] * 1000]).encode(), "no row below its header"),
        (b"\xff\xfe" + text_of(TABLE).encode(), "no column 'patient id'"),
        (text_of(TABLE).encode() + b"\xe9", "not a readable CSV file"),
        (text_of(TABLE).encode() + b'"a"b', "not a readable CSV file"),
        (b"\x1f\x8b\x08\0" + bytes(range(256)), "not a readable CSV file"),
    ],
    ids=["10 MB cell", "10 MB in quotes", "60,000 other columns", "zeros", "empty lines", "empty rows", "wrong BOM",
         "cut character", "text after a quote", "gzip"],
)  # fmt: skip
def test_invalid_files_end_the_command(data, message, tmp_path, capfd):
    (tmp_path / "x.csv").write_bytes(data)
    (tmp_path / "images").mkdir()
    argv = ["--input", tmp_path / "images", "--output", tmp_path / "out"]
    argv += ["--train_csv", tmp_path / "x.csv", "--test_csv", tmp_path / "x.csv"]
    assert preprocess.main(list(map(str, argv))) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/x.csv: ")
    assert message in line
    assert LINE.fullmatch(line)
    assert not (tmp_path / "out").exists()


def test_100000_more_columns_are_ignored(tmp_path):
    wide = [[*row, *["x"] * 100_000] for row in TABLE]
    assert mammograms_in(tmp_path / "x.csv", text_of(wide).encode()) == mammograms_in(
        tmp_path / "x.csv", text_of(TABLE).encode()
    )
