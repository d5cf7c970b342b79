import bz2
import gzip
import lzma
import zipfile
import zlib

import numpy as np
import pytest
import tensorflow as tf

from preprocess.contract.example import LabelledImage, encode_example
from preprocess.contract.tfrecord import frame
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from tests.support.labelled import SIZE, labelled_images, write_records
from trainer.data.record_files import read_record_files


def read(*patterns):
    return read_record_files([str(pattern) for pattern in patterns], SIZE, 4, Log())


def test_records_of_2018_are_read(tmp_path):
    _, pixels, labels = labelled_images(10)
    images = read(write_records(tmp_path / "a.tfrecords", None, pixels, labels))
    np.testing.assert_array_equal(images.pixels, pixels[..., None])
    np.testing.assert_array_equal(images.labels, labels)
    assert images.names == ("",) * 10
    assert (images.pixels.dtype, images.labels.dtype) == (np.uint16, np.int64)


def test_shards_are_read_in_the_order_of_their_names(tmp_path):
    names, pixels, labels = labelled_images(9)
    for shard in (2, 0, 1):
        part = slice(3 * shard, 3 * shard + 3)
        write_records(tmp_path / f"a-{shard:05d}-of-00003.tfrecords", names[part], pixels[part], labels[part])
    for patterns in ([tmp_path / "a-*"], sorted(tmp_path.iterdir(), reverse=True)):
        assert read(*patterns).names == tuple(names)
    (tmp_path / "a-00001-of-00003.tfrecords").unlink()
    with pytest.raises(InputError, match=r"a-00001-of-00003\.tfrecords: this shard is not among the files; name all 3"):
        read(tmp_path / "a-*")


def example(**values):
    """Returns a serialized tf.train.Example. values: replace the valid ones or add features; None removes a feature."""
    features = {"image": np.zeros(SIZE, "<f4").tobytes(), "label": 1} | values
    encoded = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, bytes)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        for name, value in features.items()
        if value is not None
    }
    return tf.train.Example(features=tf.train.Features(feature=encoded)).SerializeToString()


BAD = {
    "another size": (example(image=bytes(80)), "80 bytes of pixels; expected 12 x 16 float32"),
    "another height and width": (
        encode_example(LabelledImage("", 0, np.zeros((5, 7), np.uint16))),
        r"7 x 5 pixels; expected 12 x 16 \(--image_width, --image_height\)",
    ),
    "16-bit integers": (example(image=bytes(2 * 16 * 12)), "384 bytes of pixels"),
    "a wrong height": (example(height=2**62, width=4), "768 bytes of pixels"),
    "scaled pixels": (example(image=np.full(SIZE, 0.5, "<f4").tobytes()), "not whole numbers from 0 to 65535"),
    "NaN": (example(image=np.full(SIZE, np.nan, "<f4").tobytes()), "not whole numbers"),
    "too bright": (example(image=np.full(SIZE, 65536, "<f4").tobytes()), "not whole numbers"),
    "negative": (example(image=np.full(SIZE, -1, "<f4").tobytes()), "not whole numbers"),
    "label 4": (example(label=4), "label 4; expected 0 to 3"),
    "label -1": (example(label=-1), "label -1; expected 0 to 3"),
    "no label": (example(label=None), "no 'label' or no 'image'"),
    "no image": (example(image=None), "no 'label' or no 'image'"),
    "not a tf.train.Example": (b"\xff\xff\xff", "is not a tf.train.Example"),
}


@pytest.mark.parametrize("kind", BAD)
def test_invalid_records_are_refused(tmp_path, kind):
    record, message = BAD[kind]
    (tmp_path / "a.tfrecords").write_bytes(frame(example()) + frame(record))
    with pytest.raises(InputError, match=rf"a\.tfrecords: record 1: .*{message}"):
        read(tmp_path / "a.tfrecords")


@pytest.mark.parametrize(("change", "message"), [
    (lambda data: data[:-7], "record 1: the file ends within it"),
    (lambda data: data[:100] + b"\x00\x01" + data[102:], "record 0: its checksum is wrong"),
    (lambda data: data + b"xyz", "record 2: its length is damaged"),
    (lambda _: b"", "contains no records"),
])  # fmt: skip
def test_damaged_files_are_refused(tmp_path, change, message):
    data = frame(example(label=3)) * 2
    (tmp_path / "a.tfrecords").write_bytes(change(data))
    with pytest.raises(InputError, match=rf"a\.tfrecords: {message}"):
        read(tmp_path / "a.tfrecords")


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
@pytest.mark.parametrize("ending", [".tfrecords", ".tfrecords.gz"])
def test_files_that_tensorflow_compresses_are_read(tmp_path, compression, ending):
    names, pixels, labels = labelled_images(6)
    plain = write_records(tmp_path / "plain.tfrecords", names, pixels, labels)
    path = tmp_path / f"a{ending}"
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type=compression)) as writer:
        for record in tf.data.TFRecordDataset(str(plain)):
            writer.write(record.numpy())
    assert path.stat().st_size < plain.stat().st_size
    images = read(path)
    assert images.names == tuple(names)
    np.testing.assert_array_equal(images.pixels, pixels[..., None])
    np.testing.assert_array_equal(images.labels, labels)


def zipped(data, folder):
    with zipfile.ZipFile(folder / "x", "w") as archive:
        archive.writestr("a.tfrecords", data)
    return (folder / "x").read_bytes()


COMPRESSED = {
    "truncated GZIP": (
        lambda data, _: gzip.compress(data)[:-9],
        "begins like a file with compression_type GZIP, but the file ends within the compressed data; make or copy the "
        "file again",
    ),
    "damaged ZLIB": (
        lambda data, _: zlib.compress(data)[:-1] + b"!",
        "begins like a file with compression_type ZLIB, but the compressed data is damaged: Error -3 while "
        "decompressing data: incorrect data check; make or copy the file again",
    ),
    "damaged record in GZIP": (
        lambda data, _: gzip.compress(data[:100] + b"!" + data[101:]),
        "record 0: its checksum is wrong; make or copy the file again",
    ),
    "bzip2": (
        lambda data, _: bz2.compress(data),
        "is compressed (bzip2); unpack it, or write it without compression",
    ),
    "xz": (lambda data, _: lzma.compress(data), "is compressed (xz); unpack it, or write it without compression"),
    "ZIP": (zipped, "is compressed (ZIP); unpack it, or write it without compression"),
    "Zstandard": (
        lambda data, _: b"\x28\xb5\x2f\xfd" + data,
        "is compressed (Zstandard); unpack it, or write it without compression",
    ),
}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_files_that_cannot_be_read_are_refused(tmp_path, kind):
    compress, message = COMPRESSED[kind]
    path = tmp_path / "a.tfrecords"
    path.write_bytes(compress(frame(example()) * 2, tmp_path))
    with pytest.raises(InputError) as refused:
        read(path)
    assert str(refused.value) == f"{path}: {message}"


def test_a_mammogram_in_two_records_is_refused(tmp_path):
    names, pixels, labels = labelled_images(4)
    first = write_records(tmp_path / "a.tfrecords", names, pixels, labels)
    second = write_records(tmp_path / "b.tfrecords", ["9_other", f"3{names[1][1:]}"], pixels[:2], labels[:2])
    with pytest.raises(InputError) as refused:
        read(tmp_path / "?.tfrecords")
    assert str(refused.value) == (
        f"Calc-Training_P_00000_LEFT_CC occurs twice, as {first}: record 1, and as {second}: record 1; remove one of "
        f"the two"
    )
    one = write_records(tmp_path / "one.tfrecords", [names[0], names[2], names[0]], pixels[:3], labels[:3])
    with pytest.raises(InputError) as refused:
        read(one)
    assert str(refused.value) == (
        f"Calc-Training_P_00000_LEFT_MLO occurs twice, as {one}: record 0, and as {one}: record 2; remove one of the "
        f"two"
    )


def test_a_file_given_under_two_names_is_refused(tmp_path):
    _, pixels, labels = labelled_images(4)
    path = write_records(tmp_path / "a.tfrecords", None, pixels, labels)
    (tmp_path / "b.tfrecords").symlink_to(path)
    with pytest.raises(InputError, match=r"b\.tfrecords: contains the same records as .*a\.tfrecords; name one of the"):
        read(path, tmp_path / "b.tfrecords")
    (tmp_path / "c.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match=r"c\.gz: contains the same records as .*a\.tfrecords; name one of the two"):
        read(path, tmp_path / "c.gz")
    assert len(read(path, path, tmp_path / "a.*")) == 4


def test_empty_files_and_records_of_the_same_pixels_are_not_taken_for_copies(tmp_path):
    pixels, labels = np.zeros((2, *SIZE), np.uint16), np.array([1, 1])
    old = write_records(tmp_path / "old.tfrecords", None, pixels, labels)
    named = write_records(tmp_path / "named.tfrecords", ["2_a", "2_b"], pixels, labels)
    for name in ("e", "f"):
        (tmp_path / f"{name}.tfrecords").touch()
    assert read(tmp_path / "*.tfrecords").names == ("2_a", "2_b", "", "")
    assert len(read(old)) == len(read(named)) == 2


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"b\*: no such file, and no file matches it"):
        read(tmp_path / "b*")
