"""TFRecord files: how many there are, and how workers write them.

A split has one file, or several shards. By default, a shard is written by one worker, directly to its final name below
the staging folder. Two kinds of files are written in parts by several workers and then joined: the only file of a
split, of up to 10,000 images, and shards whose number the user gave. Concatenated TFRecord files are a TFRecord file,
so the bytes depend on the record order alone, not on the number of parts or workers.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.contract.example import LabelledImage, encode_example
from preprocess.contract.png import decode_png
from preprocess.contract.tfrecord import frame
from preprocess.dataset.piece_results import PieceResult, read_images
from preprocess.dataset.recipe import PreparedImage, Recipe
from preprocess.files import storage

SHARD_IMAGES = 10_000
"""The largest number of images in a TFRecord file, unless the user gives the number of files."""
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RecordPart:
    """Images that one worker writes into one TFRecord file.

    Attributes:
        shard, shards: number of the file within its split, and how many files that has.
        index, parts: number of the part within its shard, and how many parts that has.
        slices: (file of a piece, first, last + 1) of its images, in record order.
    """

    split: str
    shard: int
    shards: int
    index: int
    parts: int
    slices: tuple[tuple[str, int, int], ...]

    @property
    def file(self) -> str:
        """The path of the TFRecord file below the output root."""
        return schema.record_file(self.split, self.shard, self.shards)


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A TFRecord file that was written, or a part of it.

    Attributes:
        split, shard, index: see `RecordPart`.
        file: the path of the whole file below the output root.
        staged: the path of what was written, below the staging folder.
        images: number of records.
        bytes, sha256: size and checksum.
    """

    split: str
    shard: int
    index: int
    file: str
    staged: str
    images: int
    bytes: int
    sha256: str


def shard_count(images: int, recipe: Recipe) -> int:
    """Returns the number of TFRecord files of a split: as given, or one for each 10,000 images."""
    return recipe.parameters.tfrecord_shards or max(1, -(-images // SHARD_IMAGES))


def split_into_parts(results: Sequence[PieceResult], recipe: Recipe) -> Iterator[RecordPart]:
    """Yields the parts of all shards: the images of each split in record order, divided evenly.

    Args:
        results: of all pieces, in order.
    """
    for split in schema.SPLITS:
        of_split = [result for result in results if result.split == split]
        count = sum(result.images for result in of_split)
        shards = shard_count(count, recipe)
        parts = recipe.parts if shards == 1 or recipe.parameters.tfrecord_shards else 1
        bounds = [-(-count * number // (shards * parts)) for number in range(shards * parts + 1)]
        for number in range(shards * parts):
            slices = tuple(_slices(of_split, bounds[number], bounds[number + 1]))
            yield RecordPart(split, number // parts, shards, number % parts, parts, slices)


def write_part(part: RecordPart, recipe: Recipe) -> RecordFile:
    """Writes the records of a part into a new file.

    The pixels are read from the staged PNGs, because elements of the job contain no pixels.

    Raises:
        RunFailed: the file cannot be written.
    """
    name = f"parts/{part.split}-{part.shard:05d}-{part.index:05d}-{uuid.uuid4().hex}"
    staged = part.file if part.parts == 1 else name
    local = storage.is_local(recipe.output_root)
    images = [image for piece in part.slices for image in read_images(*piece, recipe)]
    digest, size = hashlib.sha256(), 0
    with storage.output_errors(recipe.output_root), storage.open_for_writing(recipe.staged(staged)) as stream:
        for record in storage.map_items(lambda image: _record(image, recipe), images, local):
            stream.write(record)
            digest.update(record)
            size += len(record)
    return RecordFile(
        part.split, part.shard, part.index, part.file, staged, len(images), size, digest.hexdigest()
    )  # fmt: skip


def join_parts(parts: Iterable[RecordFile], recipe: Recipe) -> RecordFile:
    """Concatenates the parts of one shard into a staged TFRecord file. A shard of one part is complete already.

    Raises:
        RunFailed: the file cannot be written.
    """
    first, *others = ordered = sorted(parts, key=lambda part: part.index)
    if not others:
        return first
    digest, size = hashlib.sha256(), 0
    with storage.output_errors(recipe.output_root), storage.open_for_writing(recipe.staged(first.file)) as joined:
        for part in ordered:
            with storage.open_for_reading(recipe.staged(part.staged)) as stream:
                while data := stream.read(_COPY_BYTES):
                    joined.write(data)
                    digest.update(data)
                    size += len(data)
    images = sum(part.images for part in ordered)
    return RecordFile(first.split, first.shard, 0, first.file, first.file, images, size, digest.hexdigest())


def _slices(results: Sequence[PieceResult], first: int, last: int) -> Iterator[tuple[str, int, int]]:
    """Yields the parts of pieces that contain the images first to last - 1 of a split."""
    begin = 0
    for result in results:
        low, high = max(first, begin), min(last, begin + result.images)
        if low < high:
            yield result.file, low - begin, high - begin
        begin += result.images


def _record(image: PreparedImage, recipe: Recipe) -> bytes:
    """Returns the bytes of a record, with the pixels of the staged PNG."""
    pixels = decode_png(storage.read(recipe.staged(image.staged)))
    label = schema.label_of(image.film.density)
    return frame(encode_example(LabelledImage(image.film.image_name, label, pixels)))
