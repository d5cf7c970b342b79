"""The command pipelines.preprocess, on films whose expected images are computed without the code of this project."""

import csv
import hashlib
import json
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from pydicom.uid import JPEGExtended12Bit

from pipelines import verify
from preprocess.contract import schema
from tests.support.films import (
    LAYOUTS,
    Described,
    area_reference,
    as_in_csv,
    decoded,
    nearest_reference,
    random_film,
    write_csv,
    write_dicom,
)

SIZE = (128, 95)
TRAIN = [
    Described(f"Calc-Training_P_{n:05d}_LEFT_{view}", str(n % 4 + 1)) for n in range(1, 7) for view in ("CC", "MLO")
]
TEST = [Described(f"Mass-Test_P_{n:05d}_RIGHT_CC", str(n % 4 + 1)) for n in range(11, 17)]


def write_films(tmp_path, layout="as in the CSV", train=TRAIN, test=TEST):
    """Writes descriptions, and films in one layout; returns {mammogram ID: path of the film}."""
    write_csv(tmp_path / "train.csv", train)
    write_csv(tmp_path / "test.csv", test)
    return {
        film.mammogram_id: LAYOUTS[layout](tmp_path / "images", film, random_film(number))
        for number, film in enumerate([*train, *test])
    }


def omissions(out):
    """Returns the lines of rejected.jsonl."""
    return [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]


def read_table(out):
    with open(out / "dataset.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def tree(root):
    """Returns {path below a folder: bytes} of every file."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def records(path):
    """Yields the features that trainers of 2018 read from the records: label and image, (128, 95) float32."""
    features = {"label": tf.io.FixedLenFeature([], tf.int64), "image": tf.io.FixedLenFeature([], tf.string)}
    for record in tf.data.TFRecordDataset(str(path)):
        example = tf.io.parse_single_example(record, features)
        yield int(example["label"]), tf.io.decode_raw(example["image"], tf.float32).numpy().reshape(SIZE)


@pytest.mark.parametrize("method", ["area", "nearest"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_pixel_of_every_layout(layout, method, job, tmp_path):
    files = write_films(tmp_path, layout)
    status, _, out = job("--resample", method)
    assert status == 0
    sources = {case: decoded(file) for case, file in files.items()}
    canvas = tuple(max(pixels.shape[axis] for pixels in sources.values()) for axis in (0, 1))
    table = read_table(out)
    assert {row["name"] for row in table} == {f"{film.density}_{film.mammogram_id}" for film in [*TRAIN, *TEST]}
    for split, films, stem in (("train", TRAIN, "ddsm_train"), ("test", TEST, "ddsm_eval")):
        rows = [row for row in table if row["split"] == split]
        expected_order = sorted(films, key=lambda film: hashlib.sha256(film.mammogram_id.encode()).hexdigest())
        assert [row["name"] for row in rows] == [f"{film.density}_{film.mammogram_id}" for film in expected_order]
        read = list(records(out / f"cache/{stem}.tfrecords"))
        assert len(read) == len(films)
        for film, row, (label, image) in zip(expected_order, rows, read, strict=True):
            pixels = sources[film.mammogram_id]
            assert label == int(film.density) - 1
            assert (int(row["source_height"]), int(row["source_width"])) == pixels.shape
            assert (row["density"], row["patient"], row["side"], row["view"]) == (
                film.density, film.patient, film.side, film.view)  # fmt: skip
            assert (tmp_path / "images" / row["source_file"]) == files[film.mammogram_id]
            with Image.open(out / f"small_{split}/{row['name']}.png") as png:
                assert (png.mode, png.size) == ("I;16", (95, 128))
                small = np.asarray(png)
            np.testing.assert_array_equal(image, small.astype(np.float32))
            if method == "nearest":
                np.testing.assert_array_equal(small, nearest_reference(pixels, canvas, SIZE))
            else:
                assert np.abs(small - area_reference(pixels, canvas, SIZE)).max() <= 0.5 + 1e-7


def test_the_manifest_lists_every_file_and_the_counts(job, tmp_path):
    write_films(tmp_path)
    _, output, out = job()
    manifest = json.loads((out / "manifest.json").read_text())
    written = tree(out)
    del written["manifest.json"], written[".film_versions.json"]
    assert manifest["files"] == {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in written.items()
    }
    assert manifest["counts"] == {
        "train": {"1": 2, "2": 4, "3": 4, "4": 2}, "test": {"1": 2, "2": 1, "3": 1, "4": 2}}  # fmt: skip
    assert manifest["mammograms"] == {
        "named": 18, "matched": 18, "spare_files": 0, "rejected": 0, "excluded": 0, "prepared": 18}  # fmt: skip
    assert "18 mammograms named, 18 matched to a file, 0 missing, 0 rejected, 0 excluded" in output
    assert "Traceback" not in output


def test_shards_contain_the_same_records_as_one_file(job, tmp_path):
    write_films(tmp_path)
    _, _, one = job("--record_parts", "1", out="one")
    _, _, sharded = job("--tfrecord_shards", "3", "--record_parts", "2", out="sharded")
    names = [f"cache/ddsm_train-0000{n}-of-00003.tfrecords" for n in range(3)]
    assert (one / "cache/ddsm_train.tfrecords").read_bytes() == b"".join((sharded / n).read_bytes() for n in names)
    assert [len(list(records(sharded / name))) for name in names] == [4, 4, 4]
    assert not (sharded / "cache/ddsm_train.tfrecords").exists()


def test_a_given_canvas_and_another_size(job, tmp_path):
    files = write_films(tmp_path)
    status, _, out = job("--canvas", "120x100", "--image_width", "30", "--image_height", "20")
    assert status == 0
    film = TRAIN[0]
    small = np.asarray(Image.open(out / f"small_train/{film.density}_{film.mammogram_id}.png"))
    assert np.abs(small - area_reference(decoded(files[film.mammogram_id]), (100, 120), (20, 30))).max() <= 0.5 + 1e-7


def test_a_header_with_a_larger_size_than_its_file_does_not_enlarge_the_canvas(job, tmp_path):
    files = write_films(tmp_path)
    write_dicom(files[TRAIN[0].mammogram_id], random_film(0), Rows=5000)
    status, _, out = job("--max_rejected", "0.1")
    assert status == 0
    assert json.loads((out / "manifest.json").read_text())["canvas"]["height"] < 100


def test_a_film_of_too_many_pixels_is_rejected_and_does_not_enlarge_the_canvas(job, tmp_path):
    files = write_films(tmp_path)
    write_dicom(files[TRAIN[0].mammogram_id], random_film(0, 100, 80))
    write_dicom(files[TRAIN[1].mammogram_id], random_film(0, 100, 79))
    assert job("--max_pixels", "0")[0] == 2
    status, _, out = job("--max_pixels", "7900", "--max_rejected", "0.1")
    assert status == 0
    (line,) = omissions(out)
    assert (line["case"], line["stage"]) == (TRAIN[0].mammogram_id, "header")
    assert line["reason"] == "100 x 80 pixels are more than --max_pixels 7,900; raise it if this is a film"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["canvas"] == {"height": 100, "width": 79}
    assert manifest["parameters"]["max_pixels"] == 7900
    assert "rejected (header): 1" in job("--max_pixels", "7900", "--dry_run", out="dry")[1]


def bad_film(case):
    return Described(case, "2")


BAD = {
    "density": (
        lambda root, film: as_in_csv(root, film, random_film(1)),
        {"density": "0"},
        ("csv", "density '0' is not one of 1, 2, 3, 4"),
    ),
    "missing": (lambda _root, _film: None, {}, ("match", "no file of this mammogram below the input root")),
    "unreadable": (
        lambda root, film: as_in_csv(root, film, random_film(1)).write_bytes(b"not an image"),
        {},
        ("header", "not a DICOM, PNG, TIFF or JPEG file"),
    ),
    "empty": (
        lambda root, film: as_in_csv(root, film, random_film(1)).write_bytes(b""),
        {},
        ("header", "the file is empty"),
    ),
    "truncated": (
        lambda root, film: cut(as_in_csv(root, film, random_film(1, 60, 40))),
        {},
        ("header", "its header specifies 60 x 40 pixels of 16 bits (4,800 bytes); the file has only 4,300"),
    ),
    "truncated compressed": (
        lambda root, film: cut(write_dicom(root / film.path, random_film(1, 60, 40), "1.2.840.10008.1.2.5")),
        {},
        ("pixels", "its RLE pixel data cannot be decoded"),
    ),
    "header larger than its data": (
        lambda root, film: write_dicom(root / film.path, random_film(1, 60, 40), Columns=4000),
        {},
        ("header", "its header specifies 60 x 4000 pixels of 16 bits (480,000 bytes); the file has only 4,800"),
    ),
    "larger than the canvas": (
        lambda root, film: write_dicom(root / film.path, random_film(1, 150, 40)),
        {},
        ("canvas", "the film is 150 pixels high and 40 wide; the canvas is only 100 high and 100 wide"),
    ),
    "missing plugin": (
        lambda root, film: compressed(root / film.path),
        {},
        ("header", "of 12 bits needs a decoder that is not installed"),
    ),
    "leaves the root": (
        lambda root, film: as_in_csv(root, film, random_film(1)),
        {"path": "../../{case}/1.2.3/4.5.6/000000.dcm"},
        (
            "csv",
            "train.csv, line 14: image file path '../../Calc-Training_P_00099_LEFT_CC/1.2.3/4.5.6/000000.dcm' contains",
        ),
    ),
    "another series": (
        lambda root, film: as_in_csv(root, film, random_film(1)),
        {"path": "/{case}/1.2.3/4.5.6/000000.dcm"},
        ("match", "no file of this mammogram below the input root"),
    ),
    "contradiction": (
        lambda root, film: as_in_csv(root, film, random_film(1)),
        {"again": "3"},
        ("csv", "its rows contradict each other in density: '2', '3'"),
    ),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:-500])


def compressed(path):
    import pydicom

    dataset = pydicom.dcmread(write_dicom(path, random_film(1), BitsStored=12))
    dataset.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    size = struct.pack(">HH", dataset.Rows, dataset.Columns)
    frame = b"\xff\xc1\x00\x0b\x0c" + size + b"\x01\x01\x11\x00"  # extended, 12 bits, one component
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(100)
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + frame + scan + b"\xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)


@pytest.mark.parametrize("kind", BAD)
def test_a_mammogram_with_a_fault_is_rejected(kind, job, tmp_path):
    write_films(tmp_path)
    write, changed, (stage, reason) = BAD[kind]
    film = bad_film("Calc-Training_P_00099_LEFT_CC")
    row = [*film.row]
    row[1] = changed.get("density", row[1])
    row[4] = changed.get("path", row[4]).format(case=film.mammogram_id)
    rows = [row, [row[0], changed["again"], *row[2:]]] if "again" in changed else [row]
    write_csv(tmp_path / "train.csv", [*TRAIN, *rows])
    write(tmp_path / "images", film)
    status, output, out = job("--max_rejected", "0.06", "--canvas", "100x100")
    assert status == 0, output
    (line,) = omissions(out)
    assert (line["case"], line["split"], line["kind"], line["stage"]) == (film.mammogram_id, "train", "rejected", stage)
    assert reason in line["reason"]
    if stage != "csv":
        assert line["source"] == row[4]
    assert f"rejected ({stage}): 1" in output
    assert len(list((out / "small_train").glob("*.png"))) == len(TRAIN)
    assert not any("P_00099" in name for name in tree(out))


def test_two_files_for_one_mammogram(job, tmp_path):
    write_films(tmp_path)
    LAYOUTS["JPEG mirror"](tmp_path / "images", TRAIN[0], random_film(0))
    _, output, out = job()
    row = next(r for r in read_table(out) if r["name"].endswith(TRAIN[0].mammogram_id))
    assert row["source_file"] == TRAIN[0].path
    assert "1 further files of these mammograms (a readable one is taken: DICOM before PNG and TIFF, JPEG " in output
    assert json.loads((out / "manifest.json").read_text())["mammograms"]["spare_files"] == 1


def test_too_many_rejected_mammograms_end_the_run_and_are_listed(job, tmp_path):
    files = write_films(tmp_path)
    files[TRAIN[0].mammogram_id].unlink()
    status, output, out = job()
    assert status == 1
    assert (
        "error: no data set is published: 1 of 18 named mammograms are rejected (5.6%), more than --max_rejected"
        in output
    )
    assert "Traceback" not in output
    assert set(tree(out)) == {"rejected.jsonl"}
    assert [line["case"] for line in omissions(out)] == [TRAIN[0].mammogram_id]
    assert job("--max_rejected", "0.06")[0] == 0


def test_a_run_with_too_many_rejected_mammograms_keeps_the_published_data_set(job, tmp_path):
    files = write_films(tmp_path)
    _, _, out = job()
    before = tree(out)
    files[TRAIN[0].mammogram_id].write_bytes(b"x")
    status, output, _ = job("--force", "--resample", "nearest")
    assert status == 1
    (listed,) = out.glob(".staging/*/rejected.jsonl")
    assert f"see {listed}, then correct" in output
    assert json.loads(listed.read_text())["case"] == TRAIN[0].mammogram_id
    assert {name: data for name, data in tree(out).items() if not name.startswith(".staging")} == before
    assert verify.main([str(out)]) == 0
    assert job("--force", "--resample", "nearest", "--max_rejected", "0.06")[0] == 0
    assert not (out / ".staging").exists()


def test_max_rejected_is_inclusive(job, tmp_path):
    files = write_films(
        tmp_path, train=TRAIN, test=[*TEST, *(Described(f"Mass-Test_P_000{n}_LEFT_CC") for n in (21, 22))]
    )
    files[TRAIN[0].mammogram_id].unlink()
    assert job("--max_rejected", "0.05")[0] == 0


def test_no_image_is_a_failure_even_if_all_may_be_rejected(job, tmp_path):
    for file in write_films(tmp_path).values():
        file.write_bytes(b"x")
    status, output, out = job("--max_rejected", "1")
    assert status == 1
    assert "error: no data set is published: no image is left" in output
    assert set(tree(out)) == {"rejected.jsonl"}


def test_patients_of_the_test_set_are_listed_as_excluded(job, tmp_path):
    shared = Described("Calc-Training_P_00011_LEFT_CC", "1")
    write_films(tmp_path, train=[*TRAIN, shared])
    status, output, out = job()
    assert status == 0
    assert [(line["case"], line["kind"]) for line in omissions(out)] == [(shared.mammogram_id, "excluded")]
    assert "1 patients in both splits" in output
    status, output, _ = job("--patient_overlap", "error", out="other")
    assert (status, "1 patients are in both the training and the test descriptions (P_00011)" in output) == (2, True)
    _, _, kept = job("--patient_overlap", "keep", out="kept")
    assert (kept / f"small_train/1_{shared.mammogram_id}.png").exists()


def test_views_and_the_demonstration_subset(job, tmp_path):
    write_films(tmp_path)
    _, _, out = job("--views", "CC", "--train_per_category", "1", "--test_count", "2")
    assert len(list((out / "small_train").glob("*.png"))) == 4
    assert len(list((out / "small_test").glob("*.png"))) == 2
    assert all("_CC" in path.name for path in (out / "small_train").glob("*.png"))


def test_a_dry_run_prints_the_summary_and_writes_nothing(job, tmp_path):
    files = write_films(tmp_path)
    files[TRAIN[0].mammogram_id].unlink()
    files[TRAIN[1].mammogram_id].write_bytes(b"x")
    LAYOUTS["JPEG mirror"](tmp_path / "images", TRAIN[2], random_film(0))
    before = tree(tmp_path)
    status, output, out = job("--dry_run")
    assert status == 0
    assert tree(tmp_path) == before
    assert not out.exists()
    for expected in (
        "18 mammograms named, 17 matched to a file, 1 missing, 2 rejected, 0 excluded",
        "1 further files of these mammograms",
        "0 patients in both splits",
        "rejected (match): 1",
        "rejected (header): 1",
    ):
        assert expected in output
    assert job("--max_rejected", "0.2")[1].split("canvas")[1].split("\n")[0] == output.split("canvas")[1].split("\n")[0]


def test_the_same_command_does_nothing_and_another_data_set_is_an_error(job, tmp_path):
    write_films(tmp_path)
    _, _, out = job()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    status, output, _ = job()
    assert (status, "already contains this data set" in output) == (0, True)
    status, output, _ = job("--resample", "nearest")
    assert (status, "made from other input or with other options" in output) == (2, True)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_force_replaces_all_files_of_a_data_set(job, tmp_path):
    write_films(tmp_path)
    _, _, out = job("--tfrecord_shards", "2")
    status, _, _ = job("--force", "--views", "CC")
    assert status == 0
    _, _, fresh = job("--views", "CC", out="fresh")
    assert tree(out) == tree(fresh)


def test_force_deletes_nothing_outside_the_output(job, tmp_path):
    write_films(tmp_path)
    _, _, out = job()
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"]["../train.csv"] = manifest["files"]["dataset.csv"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert job("--force", "--views", "CC")[0] == 0
    assert (tmp_path / "train.csv").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", "not JSON"])
def test_invalid_manifests_are_not_changed(text, job, tmp_path):
    write_films(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/manifest.json").write_text(text)
    status, output, out = job("--force")
    assert (status, "manifest.json: not a manifest of this job; move it away" in output) == (2, True)
    assert tree(out) == {"manifest.json": text.encode()}


def test_files_without_a_manifest_are_not_changed(job, tmp_path):
    write_films(tmp_path)
    mine = tmp_path / "out/small_train/2_mine"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    status, output, out = job("--force")
    assert (status, "contains small_train/2_mine but no manifest.json" in output) == (2, True)
    assert tree(out) == {"small_train/2_mine": b"mine"}


def test_files_of_killed_runs_are_deleted(job, tmp_path):
    write_films(tmp_path)
    out = tmp_path / "out"
    publication = {  # of another data set, interrupted in the middle
        "moves": [["images/a.png", "small_test/1_a.png"], ["b", "dataset.csv"], ["manifest.json", "manifest.json"]],
        "replaced": ["cache/ddsm_eval.tfrecords"],
    }
    for name, content in {
        ".staging/small_train/1_x.png": "x", ".staging/file": "x", ".staging/other/images/train/1_x.png": "x",
        ".staging/half/publication.json": json.dumps(publication), ".staging/half/manifest.json": "{}",
        ".staging/half/b": "x",
        "small_test/1_a.png": "published", "cache/ddsm_eval.tfrecords": "of an older data set", ".unfinished-1": "x",
    }.items():  # fmt: skip
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(content)
    assert job()[0] == 0
    _, _, fresh = job(out="fresh")
    assert tree(out) == tree(fresh)


def test_the_output_may_be_in_the_input_root(job, tmp_path):
    write_films(tmp_path)
    status, _, out = job("--views", "CC", out="images/out")
    assert status == 0
    _, _, fresh = job("--views", "CC", out="fresh")
    assert tree(out) == tree(fresh)
    assert job("--views", "CC", out="images/out")[0] == 0


def test_records_contain_the_names_of_their_images(job, tmp_path):
    write_films(tmp_path)
    _, _, out = job()
    names = []
    for record in tf.data.TFRecordDataset(str(out / "cache/ddsm_eval.tfrecords")):
        example = tf.train.Example.FromString(record.numpy())
        assert example.features.feature["height"].int64_list.value[0] == 128
        assert example.features.feature["width"].int64_list.value[0] == 95
        names.append(example.features.feature["name"].bytes_list.value[0].decode())
    assert sorted(names) == sorted(path.stem for path in (out / "small_test").glob("*.png"))
    assert all(schema.parse_image_name(name) for name in names)
