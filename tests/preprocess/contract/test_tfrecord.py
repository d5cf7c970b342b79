import io

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
