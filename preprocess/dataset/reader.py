"""Reads a finished data set from its files, for its verification and for the report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.contract.schema import Omission, Size
from preprocess.dataset.manifest import read_manifest
from preprocess.dataset.tables import ImageRow, parse_dataset_table, parse_omissions
from preprocess.files import storage
from preprocess.runtime.errors import InputError


@dataclass(frozen=True)
class DataSet:
    """A data set with a manifest.

    Attributes:
        root: its folder or gs:// prefix.
        manifest: see `preprocess.dataset.manifest`.
    """

    root: str
    manifest: Mapping

    @property
    def size(self) -> Size:
        """(height, width) of the images, in pixels."""
        parameters = self.manifest["parameters"]
        return parameters["image_height"], parameters["image_width"]

    @property
    def files(self) -> Mapping[str, Mapping]:
        """Path below the root -> its `bytes` and `sha256`."""
        return self.manifest["files"]

    @property
    def counts(self) -> dict[tuple[str, int], int]:
        """(split, density) -> number of images."""
        return {
            (split, int(density)): count
            for split, counts in self.manifest["counts"].items()
            for density, count in counts.items()
        }

    def path(self, file: str) -> str:
        return storage.join(self.root, file)

    def record_files(self, split: str) -> list[str]:
        """Returns the TFRecord files of a split, below the root, in the order of their records."""
        shards = self.manifest["parameters"]["tfrecord_shards"] or self._count_shards(split)
        return [schema.record_file(split, shard, shards) for shard in range(shards)]

    def _count_shards(self, split: str) -> int:
        """Returns how many TFRecord files a split has, from the name of one of them."""
        shard = re.compile(rf"{re.escape(schema.RECORD_STEMS[split])}-\d{{5}}-of-(\d{{5}})\.tfrecords")
        return next((int(match[1]) for match in map(shard.fullmatch, self.files) if match), 1)

    def read_rows(self) -> list[ImageRow]:
        """Returns the rows of `dataset.csv`: the training set before the test set, each in record order.

        Raises:
            InputError: the file cannot be read or is damaged; the message gives the line.
        """
        path = self.path(schema.DATASET_FILE)
        text = _read_text(path)
        try:
            return list(parse_dataset_table(text))
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error

    def read_omissions(self) -> list[Omission]:
        """Returns the lines of `rejected.jsonl`.

        Raises:
            InputError: the file cannot be read or is damaged; the message gives the line.
        """
        path = self.path(schema.OMISSIONS_FILE)
        text = _read_text(path)
        try:
            return list(parse_omissions(text))
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error


def open_dataset(root: str) -> DataSet:
    """Opens a finished data set.

    Raises:
        InputError: there is none.
    """
    root = storage.absolute(root)
    try:
        manifest = read_manifest(root)
        if manifest is None and not storage.is_local(root):
            storage.list_folder(root)  # raises if the bucket does not exist
    except OSError as error:
        raise InputError(f"{root}: cannot be read ({storage.error_message(error)})") from error
    if manifest is None:
        raise InputError(
            f"{root}: contains no {schema.MANIFEST_FILE}, so it is not a finished data set; name a folder that "
            f"pipelines.preprocess wrote"
        )
    return DataSet(root, manifest)


def _read_text(path: str) -> str:
    try:
        return storage.read(path).decode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({storage.error_message(error)})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start:,})") from error
