import gzip
import io
import zlib

import pytest
import tensorflow as tf

from preprocess.contract.tfrecord import CorruptRecord, frame, read_records

RECORDS = [b"", b"a", bytes(range(256)) * 50]


def test_tensorflow_reads_framed_records(tmp_path):
    path = tmp_path / "x.tfrecords"
    path.write_bytes(b"".join(map(frame, RECORDS)))
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(path))] == RECORDS


def test_records_that_tensorflow_writes_are_read_and_have_the_same_bytes(tmp_path):
    path = tmp_path / "x.tfrecords"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    assert path.read_bytes() == b"".join(map(frame, RECORDS))
    assert list(read_records(io.BytesIO(path.read_bytes()))) == RECORDS


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_compressed_records_that_tensorflow_writes_are_read(tmp_path, compression, level):
    path = tmp_path / "x.tfrecords"
    options = tf.io.TFRecordOptions(compression_type=compression, compression_level=level)
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in RECORDS:
            writer.write(record)
    assert list(read_records(io.BytesIO(path.read_bytes()))) == RECORDS


def test_joined_compressed_files_are_one_file():
    data = b"".join(map(frame, RECORDS))
    assert list(read_records(io.BytesIO(gzip.compress(data) * 2))) == RECORDS * 2
    assert list(read_records(io.BytesIO(zlib.compress(data) * 2))) == RECORDS * 2
    assert list(read_records(io.BytesIO(gzip.compress(b"")))) == []


@pytest.mark.parametrize("length", [0x8B1F, 0x9C78, 0x0178, 0x685A42])
def test_a_length_with_the_first_bytes_of_a_compressed_file_is_a_length(length):
    assert [len(record) for record in read_records(io.BytesIO(frame(bytes(length)) * 2))] == [length] * 2


@pytest.mark.parametrize("position", range(0, 40, 3))
def test_flipped_bits_are_noticed(position):
    data = bytearray(frame(b"first") + frame(b"the second record"))
    data[position] ^= 4
    number = 0 if position < len(frame(b"first")) else 1
    with pytest.raises(CorruptRecord, match=f"record {number}: its (length is damaged|checksum is wrong)"):
        list(read_records(io.BytesIO(data)))


@pytest.mark.parametrize("length", [3, 11, 12, 14, 18, 20])
def test_truncated_files_are_noticed(length):
    with pytest.raises(CorruptRecord, match="record 0"):
        list(read_records(io.BytesIO(frame(b"first")[:length])))
