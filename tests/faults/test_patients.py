"""Personal data in the headers of films do not reach an output file, a log or an error message.

The test puts recognizable texts ("canaries") into every place of a header that can contain text, in films that are read
and in films that are rejected for many different reasons. Then it runs all commands, and searches their files and
messages for canaries in several encodings.
"""

import base64
import io
import os
import re
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from tests import ROOT
from tests.faults.good_films import image, samples, write_good_films
from tests.faults.hostile_films import HEIGHT, HOSTILE, plain, tiff
from tests.pipelines.test_preprocess import omissions, tree
from tests.support.films import Described, write_csv

NAME, LATIN_NAME = "CANARY^JANE^QZX", "CÄNÄRY^JÖRG^QZX"
WORDS = ("CANARYWORD", "CANARYAE", "CANARYCODE", "CANARYLONG", "CANARYPRIVATE", "CANARYNESTED", "CANARYUNKNOWN",
         "CANARYMETA", "CANARYPREAMBLE", "CANARYTRAILING", "CANARYPHOTO", "CANARYSYNTAX", "CANARYCHARSET", "CANARYROWS",
         "CANARYTAG", "CANARYCHUNK", "CANARYPACKED", "CANARYEXIF", "CANARYCOMMENT", "CANARYDEPTH")  # fmt: skip
DIGITS = ("19170304", "170304.917031", "20170304917031", "917Y0304", "2.25.91703049170304", "917030491", "91703.0491",
          "91703042")  # fmt: skip
CANARIES = (NAME, LATIN_NAME, *WORDS, *DIGITS)
TEXTS = {
    b"AE": "CANARYAE", b"AS": "917Y0304", b"CS": "CANARYCODE", b"DA": "19170304", b"DS": "91703.0491",
    b"IS": "917030491", b"DT": "20170304917031", b"LO": "CANARYWORD", b"LT": "CANARYLONG", b"PN": NAME,
    b"SH": "CANARYWORD", b"ST": "CANARYLONG", b"TM": "170304.917031", b"UI": "2.25.91703049170304",
    b"UC": "CANARYLONG", b"UR": "CANARYLONG", b"UT": "CANARYLONG",
}  # fmt: skip
LONG = (b"UC", b"UR", b"UT", b"UN", b"OB", b"SQ")
REAL_ATTRIBUTES = (
    (0x0008, 0x0020, b"DA", "19170304"), (0x0008, 0x0050, b"SH", "CANARYWORD"), (0x0008, 0x0080, b"LO", "CANARYWORD"),
    (0x0010, 0x0010, b"PN", NAME), (0x0010, 0x0020, b"LO", "CANARYWORD"), (0x0010, 0x0030, b"DA", "19170304"),
    (0x0010, 0x4000, b"LT", "CANARYLONG"), (0x0020, 0x000D, b"UI", "2.25.91703049170304"),
)  # fmt: skip


def element(group, number, vr, text, encoding="latin-1"):
    """Returns an element of Explicit VR Little Endian."""
    value = text if isinstance(text, bytes) else text.encode(encoding)
    value += b"\0" * (len(value) % 2)
    length = struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr) + length + value


def canary_elements():
    """Returns elements with canaries in every VR for text: of patient and study, private ones, and in a sequence."""
    nested = element(0x0010, 0x0010, b"PN", NAME) + element(0x0040, 0xA160, b"UT", "CANARYNESTED")
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(nested)) + nested
    return b"".join((
        *(element(*attribute) for attribute in REAL_ATTRIBUTES),
        element(0x0010, 0x1001, b"PN", LATIN_NAME), element(0x0010, 0x1005, b"PN", LATIN_NAME, "utf-8"),
        element(0x0009, 0x0010, b"LO", "CANARYPRIVATE"),
        *(element(0x0009, 0x1000 + n, vr, text) for n, (vr, text) in enumerate(TEXTS.items())),
        element(0x0009, 0x10F0, b"UN", "CANARYUNKNOWN"), element(0x0009, 0x10F1, b"OB", "CANARYUNKNOWN"),
        element(0x0008, 0x1115, b"SQ", item),
    ))  # fmt: skip


def in_dicom(data):
    """Adds canaries to a DICOM file: to its preamble, file meta information and header, and after its pixels."""
    group_length = data.index(b"\x02\0\0\0UL") + 8
    meta_end = group_length + 4 + struct.unpack("<I", data[group_length : group_length + 4])[0]
    meta = element(2, 0x16, b"AE", "CANARYAE") + element(2, 0x100, b"UI", "2.25.91703049170304")
    meta += element(2, 0x102, b"OB", "CANARYMETA")
    body = data[meta_end:]
    if b"1.2.840.10008.1.2\0" in data[:meta_end]:  # implicit VR
        added = b"".join(struct.pack("<HHI", 0x10, 0x10, len(NAME) + 1) + NAME.encode() + b" " for _ in range(2))
        trailing = b""
    else:
        added, trailing = canary_elements(), element(0xFFFC, 0xFFFC, b"OB", "CANARYTRAILING")
    length = struct.unpack("<I", data[group_length : group_length + 4])[0] + len(meta)
    head = b"CANARYPREAMBLE".ljust(128, b"\0") + data[128:group_length] + struct.pack("<I", length)
    return head + data[group_length + 4 : meta_end] + meta + added + body + trailing


def in_png(data):
    """Adds canaries to a PNG, in chunks of text and Exif."""
    chunks = (
        (b"tEXt", b"Author\0CANARYCHUNK"), (b"zTXt", b"Comment\0\0" + zlib.compress(b"CANARYPACKED")),
        (b"iTXt", b"Title\0\0\0\0\0" + LATIN_NAME.encode()), (b"eXIf", exif()),
        (b"tEXt", b"CANARYWORD\0" + NAME.encode()),
    )  # fmt: skip
    added = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return data[:33] + added + data[33:]


def in_jpeg(data):
    """Adds canaries to a JPEG, in segments of Exif, comment and Photoshop data."""
    segments = (
        (0xE1, b"Exif\0\0" + exif()),
        (0xFE, b"CANARYCOMMENT " + NAME.encode()),
        (0xED, b"Photoshop 3.0\0CANARYWORD"),
    )
    added = b"".join(struct.pack(">BBH", 0xFF, kind, len(text) + 2) + text for kind, text in segments)
    return data[:2] + added + data[2:]


def in_tiff(**options):
    """Returns a TIFF with canaries in its tags. options: of Image.save."""
    tags = {
        270: NAME,
        271: "CANARYTAG",
        305: "CANARYTAG",
        306: "19170304",
        315: NAME,
        316: "CANARYTAG",
        33432: "CANARYTAG",
    }
    data = io.BytesIO()
    Image.fromarray(samples()).save(data, format="TIFF", tiffinfo=tags, **options)
    return data.getvalue()


def exif():
    tags = Image.Exif()
    tags[0x010E], tags[0x013B], tags[0x9286] = "CANARYEXIF", NAME, "CANARYEXIF"
    return tags.tobytes().removeprefix(b"Exif\0\0")


def planted(data):
    """Returns the film with canaries in its header; TIFF files are returned as they are."""
    if data[128:132] == b"DICM":
        return in_dicom(data)
    if data.startswith(b"\x89PNG"):
        return in_png(data)
    return in_jpeg(data) if data.startswith(b"\xff\xd8") else data


def text_tiff(tag):
    """Returns a TIFF with a text with canaries as the value of a tag that must be a number."""
    entries = {tag: (2, 20, 0)}
    where = len(tiff(entries))
    return tiff({tag: (2, 20, where)}, after=b"CANARYDEPTH " + NAME.encode())


def replaced(data, old, new):
    assert data.count(old) == 1
    return data.replace(old, new)


def faulty_films(folder):
    """Yields films with a canary in the part of the header for which they are rejected."""
    rows = struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, HEIGHT)
    photometric = element(0x28, 4, b"CS", "MONOCHROME2 ")
    film = in_dicom(plain(folder))
    yield replaced(film, photometric, element(0x28, 4, b"CS", NAME))
    yield replaced(film, photometric, element(0x28, 4, b"CS", "CANARYPHOTO\\CANARYPHOTO"))
    yield replaced(film, photometric, element(0x28, 4, b"UN", "CANARYPHOTO" * 100))
    yield replaced(film, rows, element(0x28, 0x10, b"PN", NAME))
    yield replaced(film, rows, element(0x28, 0x10, b"LO", "CANARYROWS"))
    yield replaced(film, rows, element(0x28, 8, b"IS", "91703042") + rows)
    yield replaced(film, rows, element(0x28, 8, b"IS", "CANARYROWS") + rows)
    yield replaced(film, element(0x28, 0x103, b"US", b"\0\0"), element(0x28, 0x103, b"UT", NAME))
    yield replaced(film, element(2, 0x10, b"UI", "1.2.840.10008.1.2.1"), element(2, 0x10, b"UI", NAME))
    yield replaced(
        film, element(2, 0x10, b"UI", "1.2.840.10008.1.2.1"), element(2, 0x10, b"UI", "CANARYSYNTAX\\CANARYSYNTAX")
    )
    yield replaced(film, element(2, 0x10, b"UI", "1.2.840.10008.1.2.1"), element(2, 0x10, b"UI", "2.25.91703049170304"))
    yield film[:700]  # ends in the middle of the header
    yield replaced(film, rows, element(8, 5, b"CS", "CANARYCHARSET") + rows[:-1])
    png, jpeg = in_png(image(np.uint16, format="PNG")), in_jpeg(image(np.uint8, format="JPEG"))
    yield png[:-700] + bytes(700)
    yield png.replace(b"tEXtAuthor", b"tEXtButhor")  # a wrong checksum
    yield png.replace(b"IDAT", b"CANA")
    yield jpeg[:300]
    yield jpeg.replace(b"\xff\xda", b"\xff\xc4")
    for tag in (256, 257, 258, 259, 262, 273, 274, 277, 278, 279):
        yield text_tiff(tag)
    yield in_tiff()[:-100]
    yield NAME.encode()


def forms(canary):
    """Returns the byte strings as which a canary can be in an output: encoded, escaped as in JSON, and in base64."""
    plain_forms = {canary.encode(encoding) for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be")}
    plain_forms |= {ascii(canary)[1:-1].encode(), canary.replace("^", " ").encode(), canary.encode().hex().encode()}
    for form in list(plain_forms):
        for shift in range(3):
            code = base64.b64encode(bytes(shift) + form)
            plain_forms.add(code[(4 * shift + 2) // 3 + 1 : -4])
    return plain_forms


def canaries_in(data):
    """Returns the canaries in the bytes of a file or message, also in data that it contains in base64."""
    unpacked = [base64.b64decode(code) for code in re.findall(rb"base64,([A-Za-z0-9+/]+={0,2})", data)]
    return {canary for canary in CANARIES if any(form in part for form in forms(canary) for part in (data, *unpacked))}


def run(*words):
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=ROOT, env=os.environ | {"PYTHONWARNINGS": "always"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    return ran


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """(films that are read, films that are rejected), each as bytes."""
    folder = tmp_path_factory.mktemp("films")
    good = [planted(data) for name, data in write_good_films(folder).items() if not name.startswith("TIFF")]
    good += [in_tiff(), in_tiff(compression="tiff_lzw")]
    bad = [planted(film.make(folder)) for film in HOSTILE.values() if film.outcome]
    bad += faulty_films(folder)
    bad += [cut for data in good for cut in (data[: len(data) // 2], data[:-60])]
    return good, bad


@pytest.mark.parametrize("canary", CANARIES)
def test_canaries_are_found_in_all_encodings(canary):
    for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be"):
        for before in (b"", b"a", b"ab"):
            hidden = before + canary.encode(encoding) + b"xyz"
            for data in (hidden, base64.b64encode(hidden), b"data:image/png;base64," + base64.b64encode(hidden)):
                assert canary in canaries_in(b"<" + data + b">")
    assert canaries_in(b"nothing of them") == set()


def test_no_output_contains_a_canary(films, tmp_path):
    good, bad = films
    described = [
        Described(f"Calc-Training_P_{n:05d}_{side}_CC", str(n % 4 + 1))
        for side, some in (("LEFT", good), ("RIGHT", bad))
        for n in range(1, len(some) + 1)
    ]
    for film, data in zip(described, [*good, *bad], strict=True):
        path = tmp_path / "images" / film.path
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    test = Described("Calc-Test_P_99999_LEFT_CC")
    (tmp_path / "images" / test.path).parent.mkdir(parents=True)
    (tmp_path / "images" / test.path).write_bytes(good[0])
    write_csv(tmp_path / "train.csv", described)
    write_csv(tmp_path / "test.csv", [test])
    planted_in = b"".join(data for data in [*good, *bad])
    assert canaries_in(planted_in) >= set(CANARIES) - {"CANARYPACKED"}  # this one is compressed

    out = tmp_path / "out"
    argv = ["pipelines.preprocess", "--input", tmp_path / "images", "--output", out, "--max_rejected", "1"]
    argv += ["--train_csv", tmp_path / "train.csv", "--test_csv", tmp_path / "test.csv", "--max_pixels", "1000000"]
    runs = [run(*argv, "--dry_run"), run(*argv, "--direct_num_workers", "2")]
    runs += [run("pipelines.verify", out), run("pipelines.report", out)]
    assert [ran.returncode for ran in runs] == [0, 0, 0, 0], runs[1].stderr.decode()
    assert [
        film.mammogram_id for film in described[: len(good)] if film.mammogram_id in {o["case"] for o in omissions(out)}
    ] == []
    reasons = {(line["stage"], line["reason"]) for line in omissions(out)}
    print(len(omissions(out)), "rejected,", len(reasons), "reasons")
    assert len(reasons) > 40

    written = tree(out)
    assert {"report.html", "rejected.jsonl", "manifest.json", "dataset.csv"} < set(written)
    for name, data in written.items():
        assert canaries_in(data) == set(), name
        if name.endswith(".png"):
            assert re.findall(rb"IHDR|IDAT|IEND|tEXt|zTXt|iTXt|eXIf", data) == [b"IHDR", b"IDAT", b"IEND"]
    for ran in runs:
        assert canaries_in(ran.stdout + ran.stderr) == set()
