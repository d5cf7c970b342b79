"""The contract between what writes the training set and what reads it.

    OUT/small_train/<density>_<case>.png    16-bit grayscale PNG
    OUT/small_test/<density>_<case>.png
    OUT/cache/ddsm_train.tfrecords          tf.train.Example, or ddsm_train-00000-of-0000N.tfrecords
    OUT/cache/ddsm_eval.tfrecords
    OUT/dataset.csv                         a row an image, in record order
    OUT/rejected.jsonl                      a line a mammogram that the CSVs name and the set lacks
    OUT/manifest.json                       written last: where it stands, the data set is whole
    OUT/report.html                         a page to look at; no part of the data set, and made anew at any time

Sizes are (height, width) everywhere but on the command line. This module imports the standard library only, so
that workers, trainers and tests can all share it.
"""

import hashlib
import re
from dataclasses import dataclass

FORMAT = 1
"""Of the data set, as its manifest says; a change that makes other bytes of the same input raises it."""

DENSITIES = (1, 2, 3, 4)
"""BI-RADS breast density categories; the label of category d is d - 1."""

TRAIN, TEST = "train", "test"
SPLITS = (TRAIN, TEST)
SIDES = ("LEFT", "RIGHT")
VIEWS = ("CC", "MLO")

IMAGE_HEIGHT, IMAGE_WIDTH = 128, 95
PIXEL_MAX = 65535
LONGEST_SIDE = 65535
"""The largest height or width a film may have: what DICOM can express, and what keeps every sum exact."""

IMAGE_FOLDERS = {TRAIN: "small_train", TEST: "small_test"}
RECORD_STEMS = {TRAIN: "cache/ddsm_train", TEST: "cache/ddsm_eval"}
DATASET_FILE = "dataset.csv"
OMISSIONS_FILE = "rejected.jsonl"
MANIFEST_FILE = "manifest.json"
REPORT_FILE = "report.html"
STAGING_FOLDER = ".staging"
LOCK_FILE = ".lock"
"""Who is writing there."""

OUTPUTS = (*IMAGE_FOLDERS.values(), "cache", DATASET_FILE, OMISSIONS_FILE, MANIFEST_FILE)
"""What stands in the output root of a finished data set."""

DATASET_COLUMNS = (
    "name", "split", "density", "patient", "side", "view", "source_file", "source_height", "source_width",
)  # fmt: skip

FEATURE_IMAGE, FEATURE_LABEL = "image", "label"
FEATURE_NAME, FEATURE_HEIGHT, FEATURE_WIDTH = "name", "height", "width"

REJECTED, EXCLUDED = "rejected", "excluded"
STAGES = ("csv", "match", "select", "header", "canvas", "pixels")
"""Where a mammogram can leave the set, in the order of the data's way."""

_NAME = re.compile(r"([1-4])_(.+)", re.DOTALL)
_PATIENT = re.compile(r"_(P_\d+)_")


@dataclass(frozen=True, order=True, slots=True)
class Omission:
    """A mammogram that the case descriptions name and the training set lacks.

    Attributes:
        case: the case name, e.g. "Calc-Test_P_01743_RIGHT_CC".
        split: "train" or "test", the case description it stands in.
        source: its file below the input root, or the CSV's `image file path` where no file was found.
        kind: "rejected" (it could not be used) or "excluded" (the options leave it out).
        stage: one of `STAGES`.
        reason: for a person.
    """

    case: str
    split: str
    source: str
    kind: str
    stage: str
    reason: str


def image_name(density: int, case: str) -> str:
    """The name of an image, e.g. "3_Calc-Test_P_00038_LEFT_CC"."""
    return f"{density}_{case}"


def parse_image_name(name: str) -> tuple[int, str]:
    """The density category and the case in an image's name, the inverse of `image_name`.

    Raises:
        ValueError: the name does not begin with a density category and an underscore.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"image name {name!r} is not <density 1-4>_<case>")
    return int(match[1]), match[2]


def patient_in(name: str) -> str | None:
    """The patient in the name of an image or case, e.g. "P_00038"; None where there is none."""
    match = _PATIENT.search(name)
    return match and match[1]


def label_of(density: int) -> int:
    """Density category 1..4 -> label 0..3."""
    return density - 1


def image_file(split: str, density: int, case: str) -> str:
    """The path of an image's PNG below the output root."""
    return f"{IMAGE_FOLDERS[split]}/{image_name(density, case)}.png"


def record_file(split: str, shard: int, shards: int) -> str:
    """The path of a TFRecord file below the output root."""
    stem = RECORD_STEMS[split]
    return f"{stem}.tfrecords" if shards == 1 else f"{stem}-{shard:05d}-of-{shards:05d}.tfrecords"


def record_order(case: str) -> tuple[bytes, str]:
    """The sort key that puts records into their stable pseudo-random order: the SHA-256 of the case name."""
    return hashlib.sha256(case.encode("utf-8", "surrogatepass")).digest(), case
