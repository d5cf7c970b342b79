"""A finished data set, read back from its own files: what the trainers, the verification and the report go by."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

from preprocess import schema, storage
from preprocess.errors import InputError
from preprocess.publication import read_manifest
from preprocess.resize import Size
from preprocess.schema import Omission


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `dataset.csv`: one image. Sizes are of the film it was made from, in pixels."""

    name: str
    split: str
    density: int
    patient: str
    side: str
    view: str
    source_file: str
    source_height: int
    source_width: int

    @property
    def case(self) -> str:
        return schema.parse_image_name(self.name)[1]

    @property
    def file(self) -> str:
        """The PNG's path below the root."""
        return f"{schema.IMAGE_FOLDERS[self.split]}/{self.name}.png"


@dataclass(frozen=True)
class DataSet:
    """A data set that is whole: its manifest stands.

    Attributes:
        root: its folder or gs:// prefix.
        manifest: as `publish` wrote it.
    """

    root: str
    manifest: Mapping

    @property
    def size(self) -> Size:
        """(height, width) of the images."""
        parameters = self.manifest["parameters"]
        return parameters["image_height"], parameters["image_width"]

    @property
    def files(self) -> Mapping[str, Mapping]:
        """Path below the root -> its `bytes` and `sha256`."""
        return self.manifest["files"]

    @property
    def counts(self) -> dict[tuple[str, int], int]:
        """(split, density) -> images."""
        return {
            (split, int(density)): count
            for split, counts in self.manifest["counts"].items()
            for density, count in counts.items()
        }

    def path(self, file: str) -> str:
        return storage.join(self.root, file)

    def record_files(self, split: str) -> list[str]:
        """The TFRecord files of a split below the root, in the order of their records."""
        shards = self.manifest["parameters"]["tfrecord_shards"]
        return [schema.record_file(split, shard, shards) for shard in range(shards)]

    def read_rows(self) -> list[Row]:
        """The rows of `dataset.csv`: the training set before the test set, each in record order.

        Raises:
            InputError: the file is damaged; the message gives the line.
        """
        path = self.path(schema.DATASET_FILE)
        table = csv.reader(io.StringIO(_text(path), newline=""))
        if (columns := tuple(next(table, ()))) != schema.DATASET_COLUMNS:
            expected = ", ".join(schema.DATASET_COLUMNS)
            raise InputError(f"{path}: its columns are {', '.join(columns)}; expected {expected}")
        return [_row(cells, f"{path}: line {table.line_num}") for cells in table]

    def read_omissions(self) -> list[Omission]:
        """The lines of `rejected.jsonl`.

        Raises:
            InputError: the file is damaged; the message gives the line.
        """
        path = self.path(schema.OMISSIONS_FILE)
        return [_omission(line, f"{path}: line {number}") for number, line in enumerate(_text(path).splitlines(), 1)]


def open_dataset(root: str) -> DataSet:
    """Opens a finished data set.

    Raises:
        InputError: there is none.
    """
    root = storage.absolute(root)
    try:
        manifest = read_manifest(root)
        if manifest is None and not storage.is_local(root):
            storage.list_folder(root)  # a bucket that is not there says so
    except OSError as error:
        raise InputError(f"{root}: cannot be read ({storage.reason(error)})") from error
    if manifest is None:
        raise InputError(
            f"{root}: holds no {schema.MANIFEST_FILE}, so it is no finished data set; name a folder that "
            f"pipelines.preprocess wrote"
        )
    return DataSet(root, manifest)


def _text(path: str) -> str:
    try:
        return storage.read(path).decode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({storage.reason(error)})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text ({error.reason} at byte {error.start:,})") from error


def _row(cells: list[str], where: str) -> Row:
    try:
        name, split, density, patient, side, view, source, height, width = cells
        row = Row(name, split, int(density), patient, side, view, source, int(height), int(width))
        if schema.parse_image_name(name)[0] != row.density:
            raise ValueError(f"{name!r} is of density {row.density}")
        if split not in schema.SPLITS:
            raise ValueError(f"split {split!r}")
    except ValueError as error:
        raise InputError(f"{where}: is no image of a data set ({error})") from error
    return row


def _omission(line: str, where: str) -> Omission:
    try:
        return Omission(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: is no omission ({error})") from error
