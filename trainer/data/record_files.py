"""Reads TFRecord files of tf.train.Examples into an `ImageSet`."""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from google.protobuf.message import DecodeError

from preprocess.contract.example import LabelledImage, decode_example
from preprocess.contract.tfrecord import CompressedFile, CorruptRecord, read_records
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.data import sources
from trainer.data.image_set import ImageSet, mammogram_in
from trainer.data.preparation import read_preparation

_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\..*)?", re.DOTALL)


def read_record_files(patterns: Sequence[str], size: tuple[int, int], categories: int, log: Log) -> ImageSet:
    """Reads every record of some files: the files in the order of their names, the records in the order of the file.

    Args:
        patterns: paths or glob patterns, local or gs://.
        size: (height, width) that every image must have.
        categories: number of density categories.

    Raises:
        InputError: a pattern matches no file, a shard is missing, there are no records, a record is invalid, or an
            image occurs twice; the message names the file and the record.
    """
    paths = sorted({path for pattern in patterns for path in _match(pattern)})
    _check_shards(paths)
    source = ", ".join(patterns)
    read = sources.map_files(lambda path: list(_read_file(path, size, categories)), paths)
    found = dict(zip(paths, log.track(read, len(paths), f"reading {source}"), strict=True))
    images = [image for in_file in found.values() for image in in_file]
    _check_unique(found)
    if not images:
        raise InputError(f"{source}: contains no records; name TFRecord files of images")
    return ImageSet(
        source=source,
        names=tuple(image.name for image in images),
        pixels=np.stack([image.pixels for image in images])[..., None],
        labels=np.array([image.label for image in images], np.int64),
        categories=categories,
        preparation=read_preparation(paths),
    )


def _match(pattern: str) -> list[str]:
    found = sources.match(pattern)
    if not found:
        raise InputError(f"{pattern}: no such file, and no file matches it; name TFRecord files")
    return found


def _check_shards(paths: Sequence[str]) -> None:
    """Checks that no shard is missing: its images would be missing from the training without a message.

    Raises:
        InputError: a shard is missing; the message names it.
    """
    present = set(paths)
    for path in paths:
        if shard := _SHARD.fullmatch(path):
            for number in range(int(shard[3])):
                expected = f"{shard[1]}-{number:05d}-of-{shard[3]}{shard[4] or ''}"
                if expected not in present:
                    raise InputError(f"{expected}: this shard is not among the files; name all {int(shard[3])}")


def _check_unique(found: Mapping[str, Sequence[LabelledImage]]) -> None:
    """Checks that no image occurs twice: the model would be trained on it twice as often, without a message.

    Records without names are compared as whole files only.

    Args:
        found: the images in each file.

    Raises:
        InputError: two records are of one mammogram, or two files contain the same records.
    """
    first: dict[str, str] = {}
    contents: dict[bytes, str] = {}
    for path, images in found.items():
        content = hashlib.sha256()
        for number, image in enumerate(images):
            content.update(repr((image.name, image.label)).encode() + image.pixels.tobytes())
            where = f"{path}: record {number}"
            mammogram_id = mammogram_in(image.name)
            if mammogram_id in first:
                raise InputError(
                    f"{mammogram_id} occurs twice, as {first[mammogram_id]}, and as {where}; remove one of the two"
                )
            if mammogram_id:
                first[mammogram_id] = where
        if images and (other := contents.setdefault(content.digest(), path)) != path:
            raise InputError(f"{path}: contains the same records as {other}; name one of the two")


def _read_file(path: str, size: tuple[int, int], categories: int) -> Iterator[LabelledImage]:
    """Yields the images of a file.

    Raises:
        InputError: the file cannot be read, or a record is invalid.
    """
    try:
        for number, record in enumerate(read_records(io.BytesIO(sources.read(path)))):
            try:
                image = decode_example(record, size)
            except DecodeError as error:
                raise InputError(f"{path}: record {number}: is not a tf.train.Example ({error})") from error
            except ValueError as error:
                raise InputError(f"{path}: record {number}: {error}") from error
            if image.pixels.shape != size:
                raise InputError(
                    f"{path}: record {number}: {image.pixels.shape[1]} x {image.pixels.shape[0]} pixels; expected "
                    f"{size[1]} x {size[0]} (--image_width, --image_height)"
                )
            if not 0 <= image.label < categories:
                raise InputError(f"{path}: record {number}: label {image.label}; expected 0 to {categories - 1}")
            yield image
    except CompressedFile as error:
        raise InputError(f"{path}: {error}") from error
    except CorruptRecord as error:
        raise InputError(f"{path}: {error}; make or copy the file again") from error
