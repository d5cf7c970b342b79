"""Whether a data set is what its manifest says and what its own files say of each other."""

import collections
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import DecodeError

from preprocess.contract import schema
from preprocess.contract.example import decode_example
from preprocess.contract.png import decode_png
from preprocess.contract.schema import KEEP, Size
from preprocess.contract.tfrecord import CorruptRecord, read_records
from preprocess.dataset.reader import DataSet
from preprocess.dataset.tables import ImageRow
from preprocess.files import storage
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log

RECORD_ENDING = ".tfrecords"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in `file`, a path below the root."""

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class SeenImage:
    """What a PNG or a record holds: `digest` is the SHA-256 of its pixels, `label` is None for a PNG."""

    name: str
    label: int | None
    size: Size
    digest: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What one file holds, as far as it can be read, and what is wrong with it alone."""

    file: str
    images: tuple[SeenImage, ...] = ()
    faults: tuple[str, ...] = ()


def verify(data: DataSet, log: Log) -> list[Fault]:
    """Reads every file of a data set and holds them against the manifest and against each other."""
    present = storage.list_files(data.root)
    held = sorted(file for file in data.files if file in present)

    def read(file: str) -> Content:
        return inspect(file, storage.read(data.path(file)), data.files[file], data.size)

    contents = list(log.track(storage.map_items(read, held, storage.is_local(data.root)), len(held), "reading files"))
    faults = list(_presence(data, present))
    faults += [Fault(content.file, what) for content in contents for what in content.faults]
    try:
        rows = data.read_rows()
        faults += _compare(data, rows, {content.file: content for content in contents})
        faults += _omissions(data, rows)
    except InputError as error:
        faults.append(Fault(schema.DATASET_FILE, f"nothing can be compared with it: {error}"))
    return sorted(set(faults), key=lambda fault: (fault.file, fault.what))


def inspect(file: str, found: bytes, expected: Mapping, size: Size) -> Content:
    """Holds the bytes of one file against the manifest's entry, and reads its images.

    Args:
        expected: `bytes` and `sha256`.
        size: (height, width) that every image must have.
    """
    faults = []
    if len(found) != expected["bytes"]:
        faults.append(f"has {len(found):,} bytes; the manifest says {expected['bytes']:,}")
    elif (digest := hashlib.sha256(found).hexdigest()) != expected["sha256"]:
        faults.append(f"its SHA-256 is {digest[:12]}…; the manifest says {expected['sha256'][:12]}…")
    images: list[SeenImage] = []
    reader = _read_records if file.endswith(RECORD_ENDING) else _read_png if file.endswith(".png") else None
    if reader:
        try:
            images += reader(file, found)  # those before a damaged one stay
        except (ValueError, CorruptRecord) as error:
            faults.append(str(error))
    faults += [
        f"{image.name} is {image.size[1]} x {image.size[0]} pixels; expected {size[1]} x {size[0]}"
        for image in images
        if image.size != size
    ]
    return Content(file, tuple(images), tuple(faults))


def _read_png(file: str, found: bytes) -> Iterator[SeenImage]:
    name = file.rpartition("/")[2].removesuffix(".png")
    yield _seen(name, None, decode_png(found))


def _read_records(file: str, found: bytes) -> Iterator[SeenImage]:
    del file
    for number, record in enumerate(read_records(io.BytesIO(found))):
        try:
            image = decode_example(record)
        except (ValueError, DecodeError) as error:
            raise ValueError(f"record {number}: {error}") from error
        yield _seen(image.name, image.label, image.pixels)


def _seen(name: str, label: int | None, pixels: np.ndarray) -> SeenImage:
    height, width = pixels.shape
    return SeenImage(name, label, (height, width), hashlib.sha256(pixels.tobytes()).digest())


def _presence(data: DataSet, present: Mapping[str, int]) -> Iterator[Fault]:
    for file in data.files:
        if file not in present:
            yield Fault(file, "is missing")
    for file in present:
        passing = file == schema.LOCK_FILE or file.startswith(f"{schema.STAGING_FOLDER}/")  # of a run under way
        if file not in (*data.files, schema.MANIFEST_FILE, schema.REPORT_FILE) and not passing:
            yield Fault(file, "is no file of this data set")


def _compare(data: DataSet, rows: Sequence[ImageRow], contents: Mapping[str, Content]) -> Iterator[Fault]:
    """Rows, PNGs, records and the manifest's counts must tell the same."""
    for name, times in collections.Counter(row.name for row in rows).items():
        if times > 1:
            yield Fault(schema.DATASET_FILE, f"{name} stands there {times} times")
    named = {row.file for row in rows}
    for file in data.files:
        if file.endswith(".png") and file not in named:
            yield Fault(file, f"has no row in {schema.DATASET_FILE}")
    for file in sorted(named - set(data.files)):
        yield Fault(schema.DATASET_FILE, f"names {file}, which the manifest does not know")
    counted = collections.Counter((row.split, row.density) for row in rows)
    for (split, density), count in data.counts.items():
        if counted[split, density] != count:
            yield Fault(
                schema.DATASET_FILE,
                f"has {counted[split, density]:,} {split} images of density {density}; the manifest says {count:,}",
            )
    for split in schema.SPLITS:
        yield from _compare_records(data, [row for row in rows if row.split == split], split, contents)
    yield from _patients(data, rows)


def _compare_records(
    data: DataSet, rows: Sequence[ImageRow], split: str, contents: Mapping[str, Content]
) -> Iterator[Fault]:
    """The records of a split against its rows and PNGs."""
    by_name = {row.name: row for row in rows}
    files = [contents[file] for file in data.record_files(split) if file in contents]
    for content in files:
        for number, image in enumerate(content.images):
            row = by_name.get(image.name)
            where = f"record {number} ({image.name})"
            if row is None:
                yield Fault(content.file, f"{where}: no row of split {split} in {schema.DATASET_FILE} has this name")
                continue
            if image.label != schema.label_of(row.density):
                yield Fault(content.file, f"{where}: its label is {image.label}; density {row.density} has "
                                          f"{schema.label_of(row.density)}")  # fmt: skip
            png = contents.get(row.file)
            if png and png.images and png.images[0].digest != image.digest:
                yield Fault(content.file, f"{where}: its pixels are not those of {row.file}")
    order = [image.name for content in files for image in content.images]
    if order != [row.name for row in rows]:
        lost = sorted(by_name.keys() - set(order))
        what = f"lack {len(lost):,} of {len(rows):,} images, {lost[0]} first" if lost else "stand in another order"
        yield Fault(data.record_files(split)[0], f"the {split} records {what}; {schema.DATASET_FILE} has the order")


def _patients(data: DataSet, rows: Sequence[ImageRow]) -> Iterator[Fault]:
    for row in rows:
        if schema.patient_in(row.name) not in (row.patient, None):
            yield Fault(schema.DATASET_FILE, f"{row.name} is said to be of patient {row.patient}")
    if data.manifest["parameters"]["patient_overlap"] == KEEP:
        return  # it was asked for
    train, test = ({row.patient for row in rows if row.split == split} for split in schema.SPLITS)
    for patient in sorted(train & test):
        yield Fault(schema.DATASET_FILE, f"patient {patient} is in the training set and in the test set")


def _omissions(data: DataSet, rows: Sequence[ImageRow]) -> Iterator[Fault]:
    """What the set lacks must be named, once, and add up."""
    try:
        omissions = data.read_omissions()
    except InputError as error:
        yield Fault(schema.OMISSIONS_FILE, f"nothing can be compared with it: {error}")
        return
    counted = collections.Counter(omission.kind for omission in omissions)
    for kind in (schema.REJECTED, schema.EXCLUDED):
        expected = data.manifest["mammograms"][kind]
        if counted[kind] != expected:
            yield Fault(schema.OMISSIONS_FILE, f"has {counted[kind]:,} {kind}; the manifest says {expected:,}")
    for mammogram_id in sorted({row.mammogram_id for row in rows} & {omission.mammogram_id for omission in omissions}):
        yield Fault(schema.OMISSIONS_FILE, f"{mammogram_id} is listed there and is in the data set, too")
    named, accounted = data.manifest["mammograms"]["named"], len(rows) + len(omissions)
    if named != accounted:
        yield Fault(schema.OMISSIONS_FILE, f"{accounted:,} mammograms are images or omissions; {named:,} were named")
