"""Compares the files of a data set with its manifest and with each other, and lists the faults."""

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
    """A file that differs from the manifest or from another file.

    Attributes:
        file: path below the root.
        what: a message for the user, which follows the path.
    """

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image that was read from a PNG or a record.

    Attributes:
        name: see `schema.image_name`.
        label: 0 to 3; None for a PNG.
        size: (height, width) in pixels.
        digest: SHA-256 of the pixels.
    """

    name: str
    label: int | None
    size: Size
    digest: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """The images in one file, and its faults that can be found without other files.

    Attributes:
        file: path below the root.
        images: those that could be read.
        faults: messages, see `Fault.what`.
    """

    file: str
    images: tuple[SeenImage, ...] = ()
    faults: tuple[str, ...] = ()


def verify(data: DataSet, log: Log) -> list[Fault]:
    """Reads all files of a data set and compares them with the manifest and with each other.

    Returns:
        The faults, sorted; empty if there are none.
    """
    present = storage.list_files(data.root)
    files = sorted(file for file in data.files if file in present)

    def read(file: str) -> Content:
        return inspect(file, storage.read(data.path(file)), data.files[file], data.size)

    contents = list(log.track(storage.map_items(read, files, storage.is_local(data.root)), len(files), "reading files"))
    faults = list(_presence(data, present))
    faults += [Fault(content.file, what) for content in contents for what in content.faults]
    try:
        rows = data.read_rows()
        faults += _compare(data, rows, {content.file: content for content in contents})
        faults += _omissions(data, rows)
    except InputError as error:
        faults.append(Fault(schema.DATASET_FILE, f"cannot be compared with other files: {error}"))
    return sorted(set(faults), key=lambda fault: (fault.file, fault.what))


def inspect(file: str, data: bytes, expected: Mapping, size: Size) -> Content:
    """Compares the content of one file with its entry in the manifest, and reads its images.

    Args:
        file: path below the root.
        data: the content.
        expected: the entry in the manifest, with `bytes` and `sha256`.
        size: the expected (height, width) of every image, in pixels.
    """
    faults = []
    if len(data) != expected["bytes"]:
        faults.append(f"has {len(data):,} bytes; expected {expected['bytes']:,}, as in the manifest")
    elif (digest := hashlib.sha256(data).hexdigest()) != expected["sha256"]:
        faults.append(f"its SHA-256 is {digest[:12]}…; expected {expected['sha256'][:12]}…, as in the manifest")
    images: list[SeenImage] = []
    reader = _read_records if file.endswith(RECORD_ENDING) else _read_png if file.endswith(".png") else None
    if reader:
        try:
            images += reader(file, data)  # keeps the images before a damaged one
        except (ValueError, CorruptRecord) as error:
            faults.append(str(error))
    faults += [
        f"{image.name} is {image.size[1]} x {image.size[0]} pixels; expected {size[1]} x {size[0]}"
        for image in images
        if image.size != size
    ]
    return Content(file, tuple(images), tuple(faults))


def _read_png(file: str, data: bytes) -> Iterator[SeenImage]:
    name = file.rpartition("/")[2].removesuffix(".png")
    yield _seen(name, None, decode_png(data))


def _read_records(file: str, data: bytes) -> Iterator[SeenImage]:
    del file
    for number, record in enumerate(read_records(io.BytesIO(data))):
        try:
            image = decode_example(record)
        except (ValueError, DecodeError) as error:
            raise ValueError(f"record {number}: {error}") from error
        yield _seen(image.name, image.label, image.pixels)


def _seen(name: str, label: int | None, pixels: np.ndarray) -> SeenImage:
    height, width = pixels.shape
    return SeenImage(name, label, (height, width), hashlib.sha256(pixels.tobytes()).digest())


def _presence(data: DataSet, present: Mapping[str, int]) -> Iterator[Fault]:
    """Compares the names in the manifest with the files below the root."""
    for file in data.files:
        if file not in present:
            yield Fault(file, "is missing")
    beside = (schema.MANIFEST_FILE, schema.REPORT_FILE, schema.VERSIONS_FILE)
    for file in present:
        is_temporary = file == schema.LOCK_FILE or file.startswith(f"{schema.STAGING_FOLDER}/")  # of another run
        if file not in data.files and file not in beside and not is_temporary:
            yield Fault(file, "is not a file of this data set")


def _compare(data: DataSet, rows: Sequence[ImageRow], contents: Mapping[str, Content]) -> Iterator[Fault]:
    """Compares the rows of `dataset.csv` with the PNGs, the records and the counts in the manifest."""
    for name, times in collections.Counter(row.name for row in rows).items():
        if times > 1:
            yield Fault(schema.DATASET_FILE, f"{name} is listed {times} times")
    named = {row.file for row in rows}
    for file in data.files:
        if file.endswith(".png") and file not in named:
            yield Fault(file, f"has no row in {schema.DATASET_FILE}")
    for file in sorted(named - set(data.files)):
        yield Fault(schema.DATASET_FILE, f"lists {file}, which is not in the manifest")
    counted = collections.Counter((row.split, row.density) for row in rows)
    for (split, density), count in data.counts.items():
        if counted[split, density] != count:
            yield Fault(
                schema.DATASET_FILE,
                f"has {counted[split, density]:,} {split} images of density {density}; expected {count:,}, as in the "
                f"manifest",
            )
    for split in schema.SPLITS:
        yield from _compare_records(data, [row for row in rows if row.split == split], split, contents)
    yield from _patients(data, rows)


def _compare_records(
    data: DataSet, rows: Sequence[ImageRow], split: str, contents: Mapping[str, Content]
) -> Iterator[Fault]:
    """Compares the records of a split with its rows and PNGs."""
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
                yield Fault(content.file, f"{where}: its label is {image.label}; expected "
                                          f"{schema.label_of(row.density)} for density {row.density}")  # fmt: skip
            png = contents.get(row.file)
            if png and png.images and png.images[0].digest != image.digest:
                yield Fault(content.file, f"{where}: its pixels are not those of {row.file}")
    order = [image.name for content in files for image in content.images]
    if order != [row.name for row in rows]:
        missing = sorted(by_name.keys() - set(order))
        if missing:
            what = f"lack {len(missing):,} of {len(rows):,} images, such as {missing[0]}"
        else:
            what = f"are in another order; expected that of {schema.DATASET_FILE}"
        yield Fault(data.record_files(split)[0], f"the {split} records {what}")


def _patients(data: DataSet, rows: Sequence[ImageRow]) -> Iterator[Fault]:
    """Compares the patients in the rows with those in the names, and finds patients in both splits."""
    for row in rows:
        if schema.patient_in(row.name) not in (row.patient, None):
            yield Fault(schema.DATASET_FILE, f"{row.name} has another patient in its row, {row.patient}")
    if data.manifest["parameters"]["patient_overlap"] == KEEP:
        return  # patients in both splits were requested
    train, test = ({row.patient for row in rows if row.split == split} for split in schema.SPLITS)
    for patient in sorted(train & test):
        yield Fault(schema.DATASET_FILE, f"patient {patient} is in the training set and in the test set")


def _omissions(data: DataSet, rows: Sequence[ImageRow]) -> Iterator[Fault]:
    """Compares `rejected.jsonl` with the rows of `dataset.csv` and the counts in the manifest."""
    try:
        omissions = data.read_omissions()
    except InputError as error:
        yield Fault(schema.OMISSIONS_FILE, f"cannot be compared with other files: {error}")
        return
    counted = collections.Counter(omission.kind for omission in omissions)
    for kind in (schema.REJECTED, schema.EXCLUDED):
        expected = data.manifest["mammograms"][kind]
        if counted[kind] != expected:
            yield Fault(
                schema.OMISSIONS_FILE, f"has {counted[kind]:,} {kind}; expected {expected:,}, as in the manifest"
            )
    for mammogram_id in sorted({row.mammogram_id for row in rows} & {omission.mammogram_id for omission in omissions}):
        yield Fault(schema.OMISSIONS_FILE, f"lists {mammogram_id}, which is in the data set")
    named, accounted = data.manifest["mammograms"]["named"], len(rows) + len(omissions)
    if named != accounted:
        yield Fault(
            schema.OMISSIONS_FILE,
            f"{accounted:,} mammograms are images or omissions; expected {named:,}, as in the case descriptions",
        )
