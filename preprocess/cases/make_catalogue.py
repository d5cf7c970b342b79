"""Makes catalogue.csv, the list of CBIS-DDSM's full mammograms: `python -m preprocess.cases.make_catalogue --help`.

Sources: the four case descriptions, and the index of the Imaging Data Commons (IDC), either as the Parquet file in the
PyPI package idc-index-data or as a CSV file with the columns of `_CSV_COLUMNS`. The catalogue in this folder was made
from idc-index-data 25.0.5. A user of the project does not need this command. Licences and citations: NOTICE.
"""

import argparse
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from preprocess.cases.catalogue import COLUMNS, CatalogueEntry
from preprocess.cases.description_file import DescriptionRow, decode, read_rows
from preprocess.cases.descriptions import SPLIT_NAMES, Mammogram, group_by_mammogram
from preprocess.cases.identity import parse_mammogram_id
from preprocess.runtime.arguments import CommandParser, HelpFormatter
from preprocess.runtime.command import exit_process, run_command
from preprocess.runtime.errors import InputError

COLLECTION_ID = "cbis_ddsm"  # of CBIS-DDSM in the index of the IDC
UNKNOWN_DENSITY = "0"  # the density of two mammograms of CBIS-DDSM; the catalogue contains them

_FILE_NAME = re.compile(r"(calc|mass)_case_description_(train|test)_set\.csv")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UIDS = ("SeriesInstanceUID", "StudyInstanceUID", "crdc_series_uuid")
_CSV_COLUMNS = (*_UIDS, "instances", "bytes")
_PARQUET_COLUMNS = (*_UIDS, "instanceCount", "series_size_MB")
_PARQUET_MAGIC = b"PAR1"
_BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Series:
    """One series in the index of the IDC."""

    study_uid: str
    folder: str
    instances: int
    bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, see `run_command`."""
    return run_command(lambda: run(_parser().parse_args(argv)))


def run(options: argparse.Namespace) -> None:
    """Writes the catalogue.

    Raises:
        InputError: a file is not what it must be, or a mammogram has no series of one instance in its study.
    """
    for path in (*options.csv, options.idc_index):
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; give the case descriptions and the index")
    mammograms = group_by_mammogram(row for path in options.csv for row in _read_description(path))
    series = read_index(options.idc_index)
    entries = sorted((_entry(mammogram, series) for mammogram in mammograms), key=lambda entry: entry.mammogram_id)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(astuple, entries))
    Path(options.output).write_text(table.getvalue(), encoding="ascii", newline="")
    print(f"{len(entries):,} mammograms, {sum(entry.bytes for entry in entries) / 1e9:,.1f} GB: {options.output}")


def read_index(path: str) -> dict[str, Series]:
    """Reads the index of the IDC: SeriesInstanceUID -> series.

    Raises:
        InputError: the file is not such an index, or names a series twice.
    """
    with open(path, "rb") as stream:
        is_parquet = stream.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    series: dict[str, Series] = {}
    for series_uid, found in (_parquet_rows if is_parquet else _csv_rows)(path):
        if series_uid in series:
            raise InputError(f"{path}: series {series_uid} is in two rows; expected one row for each series")
        series[series_uid] = found
    return series


def _parquet_rows(path: str) -> Iterator[tuple[str, Series]]:
    import pyarrow  # a dependency of Apache Beam; only this command needs it
    from pyarrow import parquet

    try:
        _check_columns(path, parquet.read_schema(path).names, (*_PARQUET_COLUMNS, "collection_id"))
        table = parquet.read_table(
            path, columns=list(_PARQUET_COLUMNS), filters=[("collection_id", "=", COLLECTION_ID)]
        )
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    for row in table.to_pylist():
        series_uid, study_uid, folder, instances, megabytes = (row[name] for name in _PARQUET_COLUMNS)
        if None in (series_uid, study_uid, folder, instances, megabytes):
            raise InputError(f"{path}: an empty cell in the row of series {series_uid!a}; expected a value")
        yield series_uid, Series(study_uid, folder, instances, round(megabytes * _BYTES_PER_MB))


def _csv_rows(path: str) -> Iterator[tuple[str, Series]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            _check_columns(path, reader.fieldnames or (), _CSV_COLUMNS)
            for row in reader:
                series_uid, study_uid, folder, instances, size = (row[name] or "" for name in _CSV_COLUMNS)
                if not (instances.isdecimal() and size.isdecimal()):
                    raise InputError(
                        f"{path}: series {series_uid!a} has {instances!a} instances of {size!a} bytes; expected numbers"
                    )
                yield series_uid, Series(study_uid, folder, int(instances), int(size))
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: neither a Parquet file nor a readable CSV file ({error})") from error


def _check_columns(path: str, found: Iterable[str], expected: Iterable[str]) -> None:
    if missing := set(expected) - set(found):
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}; give the index of idc-index-data")


def _read_description(path: str) -> Iterator[DescriptionRow]:
    match = _FILE_NAME.fullmatch(Path(path).name)
    if match is None:
        raise InputError(f"{path}: its name does not say its collection and split; expected {_FILE_NAME.pattern}")
    yield from read_rows(decode(Path(path).read_bytes(), path), path, split=match[2])


def _entry(mammogram: Mammogram, series: Mapping[str, Series]) -> CatalogueEntry:
    """Returns the row of a mammogram.

    Raises:
        InputError: the case descriptions and the index do not agree about it.
    """
    m = mammogram
    names = parse_mammogram_id(m.mammogram_id)
    if names is None or names[1] != SPLIT_NAMES[m.split]:
        raise InputError(f"{m.mammogram_id!a} is not the ID of a mammogram of the {m.split} set of CBIS-DDSM")
    if m.fault and m.density != UNKNOWN_DENSITY:
        raise InputError(f"{m.mammogram_id}: {m.fault}")
    study_uid, series_uid = m.uids
    if m.image_path.split("/")[:-1] != [m.mammogram_id, study_uid, series_uid]:
        raise InputError(f"{m.mammogram_id}: image file path {m.image_path!a} is not <mammogram ID>/<UID>/<UID>/<name>")
    found = series.get(series_uid)
    if found is None:
        raise InputError(f"{m.mammogram_id}: no series {series_uid!a} in the index; expected the series of its CSV row")
    if found.instances != 1:
        raise InputError(f"{m.mammogram_id}: series {series_uid} has {found.instances} instances; expected one")
    if not _UUID.fullmatch(found.folder):
        raise InputError(f"{m.mammogram_id}: folder {found.folder!a} of series {series_uid} is not a UUID")
    if found.study_uid != study_uid:
        raise InputError(
            f"{m.mammogram_id}: series {series_uid} is in study {found.study_uid!a} of the index; expected {study_uid}"
        )
    return CatalogueEntry(
        m.mammogram_id,
        names[0].lower(),
        m.split,
        m.patient,
        m.side,
        m.view,
        m.density,
        study_uid,
        series_uid,
        found.folder,
        found.bytes,
    )


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m preprocess.cases.make_catalogue",
        description="Lists the full mammograms in case descriptions of CBIS-DDSM with UIDs, IDC folders and sizes.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--csv", nargs="+", required=True, metavar="CSV", help="case descriptions, by their original file names")
    add("--idc_index", required=True, metavar="FILE", help="idc_index.parquet of idc-index-data, or a CSV file of it")
    add("--output", required=True, metavar="FILE", help="catalogue to write")
    return parser


if __name__ == "__main__":
    exit_process(main())
