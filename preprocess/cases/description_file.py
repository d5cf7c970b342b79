"""Reads a case description: a CSV file with one row for each abnormality.

A record of the original files spans two physical lines, because a quoted path contains a newline. Files that were saved
again by a spreadsheet or by pandas are read where their meaning is certain: other delimiters, byte order marks,
densities such as 3.0, and columns that appear twice.
"""

import codecs
import csv
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from preprocess.cases.identity import split_path
from preprocess.runtime.errors import InputError

COLUMNS = ("patient id", "breast density", "left or right breast", "image view", "image file path")
"""The required columns. Names are compared in lower case and with spaces instead of underscores.

The calcification files contain `breast density`, the mass files `breast_density`.
"""

TYPE_COLUMN = "abnormality type"
"""An optional column, "calcification" or "mass"."""

MAX_SHOWN = 200  # characters of a cell in a message; a path of the data set has about 160
DELIMITERS = (",", ";", "\t", "|")
CROP_COLUMNS = ("cropped image file path", "roi mask file path")
"""Optional columns, whose series are not those of full mammograms."""

_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # written by Excel to name the delimiter
_REPEATED = re.compile(r"\.\d+$")  # pandas appends it to the name of a column that appears twice
_WHOLE = re.compile(r"(\d+)[.,]0+", re.ASCII)
_EMPTY = ("", "nan", "none", "na", "n/a", "null")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_BLANK_LINES = re.compile(r"(?:[ ,;\t]*\r?\n)*")


@dataclass(frozen=True, slots=True)
class DescriptionRow:
    """One row of a case description: one abnormality. Cells are stripped.

    Attributes:
        split: "train" or "test".
        collection: "Calc" or "Mass"; empty if the row does not contain it.
        file, line: from which the row was read; the line is 0 if it is not known.
        crop_paths: paths of the crop and the ROI mask of the abnormality.
        fault: a message if the row contradicts itself; otherwise empty.
    """

    split: str
    patient: str
    density: str
    side: str
    view: str
    image_path: str
    collection: str = ""
    file: str = ""
    line: int = 0
    crop_paths: tuple[str, ...] = ()
    fault: str = ""

    @property
    def where(self) -> str:
        """File name and line, for messages."""
        return f"{self.file}, line {self.line}" if self.line else self.file


def decode(data: bytes, origin: str) -> str:
    """Decodes the text of a case description: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        InputError: it is neither.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if data.startswith(b"PK\x03\x04"):
        raise InputError(f"{origin}: an Excel workbook or another ZIP archive; save the table as CSV")
    if not utf16 and 1 / 3 < data[:1000].count(0) / max(1, len(data[:1000])) < 2 / 3:
        raise InputError(f"{origin}: contains NUL bytes, as UTF-16 without a byte order mark has; save it as UTF-8")
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(origin, error) from error


def read_rows(text: str, origin: str, split: str) -> Iterator[DescriptionRow]:
    """Yields the rows of one case description.

    Args:
        text: of the file.
        origin: the path of the file, for messages.
        split: of the mammograms in the file.

    Raises:
        InputError: a column is missing, there are no rows, or the file is not CSV.
    """
    name = origin.rpartition("/")[2]
    separator = _SEPARATOR_LINE.match(text)
    blank = _BLANK_LINES.match(text, separator.end() if separator else 0)
    start = blank.end() if blank else 0
    skipped, text = text.count("\n", 0, start), text[start:]
    try:
        delimiter, header = _header(text, separator[1] if separator else "", origin)
        columns = {
            column: [i for i, name in enumerate(header) if name == column]
            for column in (*COLUMNS, TYPE_COLUMN, *CROP_COLUMNS)
        }
        reader = csv.reader(_lines(text), strict=True, delimiter=delimiter)
        next(reader)
        count, line = 0, reader.line_num
        for cells in reader:
            line, first = reader.line_num, line + 1
            if any(cell.strip() for cell in cells) and _normalized(cells) != header:  # files may have been joined
                count += 1
                yield _row(cells, columns, split, name, first + skipped)
    except csv.Error as error:
        raise _unreadable(origin, error) from error
    if count == 0:
        raise InputError(f"{origin}: no row below its header; give a CBIS-DDSM case description")


def shown(cell: str, length: int = MAX_SHOWN) -> str:
    """Formats a cell for a message: quoted, on one line, in ASCII, shortened."""
    return ascii(cell if len(cell) <= length else f"{cell[:length]}...")


def _lines(text: str) -> Iterator[str]:
    """Yields the lines of a text with their ends. Unlike `io.StringIO`, it does not copy the text."""
    return (match[0] for match in _LINE.finditer(text))


def _header(text: str, separator: str, origin: str) -> tuple[str, list[str]]:
    """Returns the delimiter with which the header contains most of the columns, and their names."""
    headers: dict[str, list[str]] = {}
    errors = []
    for delimiter in (separator,) if separator else DELIMITERS:
        try:
            first = next(csv.reader(_lines(text), strict=True, delimiter=delimiter), [])
        except csv.Error as error:  # e.g. quoted names with another delimiter between them
            errors.append(error)
            continue
        headers[delimiter] = _normalized(first)
    if not headers:
        raise errors[0]
    delimiter, header = max(headers.items(), key=lambda item: len(set(COLUMNS).intersection(item[1])))
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise InputError(
            f"{origin}: no column {' and no column '.join(map(repr, missing))} among "
            f"{', '.join(shown(name, 40) for name in header[:20]) or 'nothing'}; give a CBIS-DDSM case description"
        )
    return delimiter, header


def _normalized(names: Sequence[str]) -> list[str]:
    """Returns column names in lower case, with single spaces instead of underscores and dots."""
    return [" ".join(re.sub(r"[_.]", " ", _REPEATED.sub("", name.lower())).split()) for name in names]


def _row(cells: Sequence[str], columns: dict[str, list[int]], split: str, file: str, line: int) -> DescriptionRow:
    values, fault = {}, ""
    for column, places in columns.items():
        found = [cell for i in places if (cell := cells[i].strip() if i < len(cells) else "").lower() not in _EMPTY]
        if column == COLUMNS[1]:
            found = [whole[1] if (whole := _WHOLE.fullmatch(cell)) else cell for cell in found]
        if column == COLUMNS[4]:
            found = list({split_path(cell).series_digits or cell: cell for cell in reversed(found)}.values())
        distinct = list(dict.fromkeys(found))
        values[column] = distinct[0] if distinct else ""
        if len(distinct) > 1:
            fault = fault or (
                f"{len(places)} columns are named {column!r} and contradict each other: "
                f"{', '.join(map(shown, distinct[:5]))}"
            )
    patient, density, side, view, path = (values[column] for column in COLUMNS)
    density, side, view = map(sys.intern, (density, side.upper(), view.upper()))  # the same few texts in all rows
    collection = {"calcification": "Calc", "mass": "Mass"}.get(values[TYPE_COLUMN].lower(), "")
    crops = tuple(values[column] for column in CROP_COLUMNS if values[column])
    return DescriptionRow(split, patient, density, side, view, path, collection, file, line, crops, fault)


def _unreadable(origin: str, error: Exception) -> InputError:
    return InputError(f"{origin}: not a readable CSV file ({error}); give a CBIS-DDSM case description")
