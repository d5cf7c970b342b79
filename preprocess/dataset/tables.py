"""The two tables of a data set: `dataset.csv` (one row per image) and `rejected.jsonl` (one line per omission)."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.contract.schema import Omission
from preprocess.dataset.recipe import PreparedImage
from preprocess.runtime.text import without_formula


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One row of `dataset.csv`. The source size is that of the film, in pixels."""

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
    def mammogram_id(self) -> str:
        return schema.parse_image_name(self.name)[1]

    @property
    def file(self) -> str:
        """The path of the PNG below the root of the data set."""
        return f"{schema.IMAGE_FOLDERS[self.split]}/{self.name}.png"


def format_dataset_table(images: Iterable[PreparedImage]) -> Iterator[bytes]:
    """Yields the lines of `dataset.csv`.

    Args:
        images: the training set before the test set, each in record order.
    """
    return format_csv(schema.DATASET_COLUMNS, map(_cells, images))


def format_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yields the lines of a table."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for row in itertools.chain([columns], rows):
        table.writerow(row)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _cells(image: PreparedImage) -> tuple[object, ...]:
    film = image.film
    source = without_formula(film.file)
    return (
        film.image_name, film.split, film.density, film.patient, film.side, film.view, source, image.height, image.width
    )  # fmt: skip


def parse_dataset_table(text: str) -> Iterator[ImageRow]:
    """Yields the rows of `dataset.csv`.

    Raises:
        ValueError: other columns, or a row that is not an image of a data set; the message gives the line.
    """
    table = csv.reader(io.StringIO(text, newline=""))
    if (columns := tuple(next(table, ()))) != schema.DATASET_COLUMNS:
        raise ValueError(f"its columns are {', '.join(columns)}; expected {', '.join(schema.DATASET_COLUMNS)}")
    for cells in table:
        try:
            yield _parse_row(cells)
        except ValueError as error:
            raise ValueError(f"line {table.line_num}: not an image of a data set ({error})") from error


def format_omissions(omissions: Iterable[Omission]) -> bytes:
    """Returns `rejected.jsonl`, sorted."""
    return "".join(json.dumps(omission.as_json()) + "\n" for omission in sorted(omissions)).encode()


def parse_omissions(text: str) -> Iterator[Omission]:
    """Yields the omissions in `rejected.jsonl`.

    Raises:
        ValueError: a line is not an omission; the message gives the line.
    """
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield Omission.from_json(json.loads(line))
        except (ValueError, TypeError) as error:
            raise ValueError(f"line {number}: not an omission ({error})") from error


def _parse_row(cells: list[str]) -> ImageRow:
    name, split, density, patient, side, view, source, height, width = cells
    row = ImageRow(name, split, int(density), patient, side, view, source, int(height), int(width))
    if schema.parse_image_name(name)[0] != row.density:
        raise ValueError(f"{name!r} has density {row.density}")
    if split not in schema.SPLITS:
        raise ValueError(f"split {split!r}")
    return row
