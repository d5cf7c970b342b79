import hashlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from tests.support.labelled import SIZE, labelled_images, write_folder
from trainer.data.png_folder import read_folder


@pytest.mark.parametrize("ending", [".png", ""])
def test_images_are_in_record_order(tmp_path, ending):
    names, pixels, labels = labelled_images(40)
    images = read_folder(str(write_folder(tmp_path / "a", names, pixels, ending)), SIZE, 4, Log())
    order = sorted(range(40), key=lambda n: hashlib.sha256(names[n][2:].encode()).hexdigest())
    assert images.names == tuple(names[n] for n in order)
    np.testing.assert_array_equal(images.pixels, pixels[order][..., None])
    np.testing.assert_array_equal(images.labels, labels[order])
    assert (images.pixels.dtype, images.labels.dtype) == (np.uint16, np.int64)


def test_the_table_of_the_folder_is_ignored_without_a_warning(tmp_path, capsys):
    names, pixels, _ = labelled_images(4)
    folder = write_folder(tmp_path / "a", names, pixels)
    (folder / "metadata.csv").write_text("file_name,density\n")
    assert len(read_folder(str(folder), SIZE, 4, Log())) == 4
    assert capsys.readouterr().err == ""
    (folder / "Metadata.csv").write_text("")
    assert len(read_folder(str(folder), SIZE, 4, Log())) == 4
    assert "therefore ignored: Metadata.csv\n" in capsys.readouterr().err


def test_other_files_are_ignored_with_a_warning(tmp_path, capsys):
    names, pixels, _ = labelled_images(4)
    folder = write_folder(tmp_path / "a", names, pixels)
    for other in ("README", "notes.txt", ".DS_Store", "x.png"):
        (folder / other).write_text("x")
    (folder / "3_folder").mkdir()
    assert len(read_folder(str(folder), SIZE, 4, Log())) == 4
    warnings = capsys.readouterr().err
    assert warnings == (
        f"warning: {folder}: not named <density>_<mammogram ID> and therefore ignored: "
        ".DS_Store, README, notes.txt and 1 more\n"
    )


def eight_bit(folder):
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(folder / "2_bad.png")


def colour(folder):
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(folder / "2_bad.png")


def other_size(folder):
    Image.fromarray(np.zeros((5, 7), np.uint16)).save(folder / "2_bad.png")


def truncated(folder):
    Image.fromarray(np.random.default_rng(0).integers(0, 65536, SIZE, np.uint16)).save(folder / "2_bad.png")
    (folder / "2_bad.png").write_bytes((folder / "2_bad.png").read_bytes()[:200])


def not_png(folder):
    (folder / "2_bad.png").write_bytes(b"no image")


def empty(folder):
    (folder / "2_bad.png").write_bytes(b"")


def huge_size(folder):
    header = struct.pack(">IIBBBBB", 60000, 60000, 16, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b"")]
    data = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    (folder / "2_bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(data))


def category_5(folder):
    Image.fromarray(np.zeros(SIZE, np.uint16)).save(folder / "5_bad.png")


def category_0(folder):
    Image.fromarray(np.zeros(SIZE, np.uint16)).save(folder / "0_bad.png")


def twice(folder):
    for name in ("2_bad", "2_bad.png"):
        Image.fromarray(np.zeros(SIZE, np.uint16)).save(folder / name, format="PNG")


def two_categories(folder):
    for name in ("2_bad.png", "3_bad.png"):
        Image.fromarray(np.zeros(SIZE, np.uint16)).save(folder / name)


BAD = {
    eight_bit: "2_bad.png: a PNG of mode L; expected 16-bit gray (I;16)",
    colour: "2_bad.png: a PNG of mode RGB; expected 16-bit gray",
    other_size: "2_bad.png: 7 x 5 pixels; expected 12 x 16 (--image_width, --image_height)",
    truncated: "2_bad.png: ",
    not_png: "2_bad.png: not a PNG; expected a 16-bit gray PNG",
    empty: "2_bad.png: not a PNG; expected a 16-bit gray PNG",
    huge_size: "2_bad.png: Image size (3600000000 pixels) exceeds limit",
    category_5: "5_bad.png: density category 5; expected 1 to 4",
    category_0: "0_bad.png: density category 0; expected 1 to 4",
    twice: "contains bad twice, as 2_bad and 2_bad.png; remove one of the two",
    two_categories: "contains bad twice, as 2_bad.png and 3_bad.png; remove one of the two",
}


@pytest.mark.parametrize("damage", BAD, ids=lambda damage: damage.__name__)
def test_invalid_images_are_refused(tmp_path, damage):
    names, pixels, _ = labelled_images(8)
    folder = write_folder(tmp_path / "a", names, pixels)
    damage(folder)
    with pytest.raises(InputError) as error:
        read_folder(str(folder), SIZE, 4, Log())
    assert BAD[damage] in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: cannot be listed \(No such file or directory\)"):
        read_folder(str(tmp_path / "nowhere"), SIZE, 4, Log())
    with pytest.raises(InputError, match="contains no image named <density>_<mammogram ID>"):
        read_folder(str(tmp_path), SIZE, 4, Log())
