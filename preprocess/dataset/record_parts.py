"""TFRecord files, written in parts by several workers and then joined.

TFRecord files concatenate: the bytes of a shard are those of its parts, one after the other. They depend on the record
order alone, not on the number of parts or workers.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from preprocess.contract import schema
from preprocess.contract.example import LabelledImage, encode_example
from preprocess.contract.png import decode_png
from preprocess.contract.tfrecord import frame
from preprocess.dataset.recipe import PreparedImage, Recipe
from preprocess.files import storage

_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RecordPart:
    """A sequence of images that one worker writes into one temporary TFRecord file.

    Attributes:
        shard: number of the TFRecord file within its split.
        index: number of the part within its shard.
        images: in record order.
        path: of the temporary file; empty until it is written.
    """

    split: str
    shard: int
    index: int
    images: tuple[PreparedImage, ...]
    path: str = ""


def split_into_parts(images: Sequence[PreparedImage], recipe: Recipe) -> Iterator[RecordPart]:
    """Yields the parts of all shards: the images of each split in record order, divided evenly."""
    pieces = recipe.parameters.tfrecord_shards * recipe.parts
    for split in schema.SPLITS:
        ordered = in_record_order(images, split)
        bounds = [-(-len(ordered) * piece // pieces) for piece in range(pieces + 1)]
        for piece in range(pieces):
            shard, index = divmod(piece, recipe.parts)
            yield RecordPart(split, shard, index, tuple(ordered[bounds[piece] : bounds[piece + 1]]))


def write_part(part: RecordPart, recipe: Recipe) -> RecordPart:
    """Writes the records of a part into a new temporary file and returns the part with its path.

    The pixels are read from the staged PNGs, one at a time: elements of the pipeline contain no pixels.

    Raises:
        RunFailed: the file cannot be written.
    """
    path = recipe.staged(f"parts/{part.split}-{part.shard:05d}-{part.index:05d}-{uuid.uuid4().hex}")
    with storage.output_errors(recipe.output_root), storage.open_for_writing(path) as stream:
        for image in part.images:
            pixels = decode_png(storage.read(recipe.staged(image.staged)))
            label = schema.label_of(image.film.density)
            stream.write(frame(encode_example(LabelledImage(image.film.image_name, label, pixels))))
    return replace(part, path=path)


def join_parts(parts: Iterable[RecordPart], recipe: Recipe) -> dict[str, dict]:
    """Concatenates the parts of each shard into a staged TFRecord file.

    Returns:
        File below the output root -> its `bytes` and `sha256`.
    """
    paths = {(part.split, part.shard, part.index): part.path for part in parts}
    shards = recipe.parameters.tfrecord_shards
    files = {}
    for split in schema.SPLITS:
        for shard in range(shards):
            file = schema.record_file(split, shard, shards)
            digest, size = hashlib.sha256(), 0
            with storage.open_for_writing(recipe.staged(file)) as joined:
                for index in range(recipe.parts):
                    with storage.open_for_reading(paths[split, shard, index]) as part:
                        while data := part.read(_COPY_BYTES):
                            joined.write(data)
                            digest.update(data)
                            size += len(data)
            files[file] = {"bytes": size, "sha256": digest.hexdigest()}
    return files


def in_record_order(images: Iterable[PreparedImage], split: str) -> list[PreparedImage]:
    """Returns the images of a split, sorted by `schema.record_order`."""
    chosen = (image for image in images if image.film.split == split)
    return sorted(chosen, key=lambda image: schema.record_order(image.film.mammogram_id))
