"""Names, sizes and categories on which the preprocessing job and the trainers agree.

    OUT/small_train/<density>_<mammogram ID>.png    16-bit grayscale PNG
    OUT/small_test/<density>_<mammogram ID>.png
    OUT/cache/ddsm_train.tfrecords                  tf.train.Example, or ddsm_train-00000-of-0000N.tfrecords
    OUT/cache/ddsm_eval.tfrecords
    OUT/dataset.csv                                 one row an image, in record order
    OUT/rejected.jsonl                              one line a mammogram that the CSVs name and the data set lacks
    OUT/small_train/metadata.csv, small_test/…      the labels of the images, for Hugging Face; see `dataset.cards`
    OUT/cache/dataset_info.json, features.json, …   describe the records to TensorFlow Datasets
    OUT/croissant.json, data_card.md                describe the data set to programs and to people
    OUT/manifest.json                               written last: with it, the data set is whole
    OUT/.film_versions.json                         the versions of the film files, to notice changes; see `versions`
    OUT/report.html                                 a report; not part of the data set, can be made again at any time

A mammogram ID is the name that CBIS-DDSM gives a mammogram: collection, split, patient, side and view, e.g.
"Calc-Training_P_00005_RIGHT_CC". The files call it `case`, as the tutorial did; a case in DDSM is an examination.

Sizes are (height, width), except on the command line. This module imports the standard library only.
"""

import hashlib
import re
from dataclasses import dataclass

FORMAT = 2
"""Version of the data set format, in `manifest.json`.

It is raised by a change that makes other bytes of images, records or tables from the same input, or that removes or
renames a key of the manifest, a file or a column, or changes its meaning. Without raising it, keys of the manifest and
files may be added; readers ignore those that they do not know. This version reads this format, and refuses a later one.
`tests/fixtures` has a data set of each format.
"""

DENSITIES = (1, 2, 3, 4)
"""BI-RADS density categories; the label of category d is d - 1."""

TRAIN, TEST = "train", "test"
SPLITS = (TRAIN, TEST)
SIDES = ("LEFT", "RIGHT")
VIEWS = ("CC", "MLO")

IMAGE_HEIGHT, IMAGE_WIDTH = 128, 95
PIXEL_MAX = 65535
MAX_SIDE = 65535
"""The largest height or width of a film, in pixels: the limit of DICOM, and of exact sums in `resize`."""

IMAGE_FOLDERS = {TRAIN: "small_train", TEST: "small_test"}
RECORD_STEMS = {TRAIN: "cache/ddsm_train", TEST: "cache/ddsm_eval"}
DATASET_FILE = "dataset.csv"
OMISSIONS_FILE = "rejected.jsonl"
METADATA_NAME = "metadata.csv"
"""The one file in a folder of images that is no image. `trainer.data.png_folder` ignores it."""
TFDS_FILES = ("cache/dataset_info.json", "cache/features.json", "cache/label.labels.txt")
CROISSANT_FILE = "croissant.json"
CARD_FILE = "data_card.md"
MANIFEST_FILE = "manifest.json"
REPORT_FILE = "report.html"
STAGING_FOLDER = ".staging"
LOCK_FILE = ".lock"
VERSIONS_FILE = ".film_versions.json"

OUTPUTS = (
    *IMAGE_FOLDERS.values(), "cache", DATASET_FILE, OMISSIONS_FILE, CARD_FILE, CROISSANT_FILE, MANIFEST_FILE,
)  # fmt: skip
"""The files and folders of a finished data set, below the output root."""

DATASET_COLUMNS = (
    "name", "split", "density", "patient", "side", "view", "source_file", "source_height", "source_width",
)  # fmt: skip

FEATURE_IMAGE, FEATURE_LABEL = "image", "label"
FEATURE_NAME, FEATURE_HEIGHT, FEATURE_WIDTH = "name", "height", "width"

REJECTED, EXCLUDED = "rejected", "excluded"
KEEP = "keep"
"""Value of the manifest's `patient_overlap` for a data set that may have patients in both splits."""
STAGES = ("csv", "match", "select", "header", "canvas", "pixels")
"""The steps at which a mammogram can be omitted, in the order of processing."""

_NAME = re.compile(r"([1-4])_(.+)", re.DOTALL)
_PATIENT = re.compile(r"_(P_\d+)_")


Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True, order=True, slots=True)
class Omission:
    """A mammogram that the case descriptions name and the data set does not contain.

    Attributes:
        mammogram_id: e.g. "Calc-Test_P_01743_RIGHT_CC".
        split: "train" or "test", of the case description that names it.
        source: its file below the input root, or the `image file path` of the CSV if no file was found.
        kind: "rejected" (it cannot be used) or "excluded" (the options leave it out).
        stage: one of `STAGES`.
        reason: a message for the user.
    """

    mammogram_id: str
    split: str
    source: str
    kind: str
    stage: str
    reason: str

    def as_json(self) -> dict[str, str]:
        """Returns the object in `rejected.jsonl`, in which the mammogram ID is called `case`."""
        return {
            "case": self.mammogram_id, "split": self.split, "source": self.source,
            "kind": self.kind, "stage": self.stage, "reason": self.reason,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: dict[str, str]) -> "Omission":
        """The inverse of `as_json`.

        Raises:
            TypeError: other keys.
        """
        return cls(**{"mammogram_id" if name == "case" else name: value for name, value in values.items()})


def image_name(density: int, mammogram_id: str) -> str:
    """Returns the name of an image, e.g. "3_Calc-Test_P_00038_LEFT_CC"."""
    return f"{density}_{mammogram_id}"


def parse_image_name(name: str) -> tuple[int, str]:
    """Returns the density category and the mammogram ID in an image name; the inverse of `image_name`.

    Raises:
        ValueError: the name does not begin with a density category and an underscore.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"image name {name!r} is not <density 1-4>_<mammogram ID>")
    return int(match[1]), match[2]


def patient_in(name: str) -> str | None:
    """Returns the patient in an image name or mammogram ID, e.g. "P_00038"; None where there is none."""
    match = _PATIENT.search(name)
    return match and match[1]


def label_of(density: int) -> int:
    """Returns the label (0 to 3) of a density category (1 to 4)."""
    return density - 1


def image_file(split: str, density: int, mammogram_id: str) -> str:
    """Returns the path of a PNG below the output root."""
    return f"{IMAGE_FOLDERS[split]}/{image_name(density, mammogram_id)}.png"


def metadata_file(split: str) -> str:
    """Returns the path of the table in a folder of images, below the output root."""
    return f"{IMAGE_FOLDERS[split]}/{METADATA_NAME}"


def record_file(split: str, shard: int, shards: int) -> str:
    """Returns the path of a TFRecord file below the output root."""
    stem = RECORD_STEMS[split]
    return f"{stem}.tfrecords" if shards == 1 else f"{stem}-{shard:05d}-of-{shards:05d}.tfrecords"


def record_order(mammogram_id: str) -> tuple[bytes, str]:
    """Returns the sort key of the record order, a reproducible pseudo-random order: the SHA-256 of the mammogram ID."""
    return hashlib.sha256(mammogram_id.encode("utf-8", "surrogatepass")).digest(), mammogram_id
