"""How the images of a set were made from films, as the manifest of their data set says.

`pipelines.predict` makes the image of a new film in the same way.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.contract.schema import Size
from preprocess.files import storage
from trainer.data import sources


@dataclass(frozen=True)
class Preparation:
    """How the images of a data set were made.

    Attributes:
        canvas: (height, width) to which films were padded, in pixels.
        resample: the method of the reduction to the size of the images: "area" or "nearest".
        fingerprint: of the data set's input and options.
    """

    canvas: Size
    resample: str
    fingerprint: str


def describe_difference(one: Preparation | None, other: Preparation | None) -> str:
    """Returns how two preparations differ, e.g. "canvas 5251x7111 and 5431x7111"; "" if they do not, or are unknown."""
    if one is None or other is None:
        return ""
    pairs = {"canvas": ("{1}x{0}".format(*one.canvas), "{1}x{0}".format(*other.canvas)),
             "resample": (one.resample, other.resample)}  # fmt: skip
    return ", ".join(f"{name} {a} and {b}" for name, (a, b) in pairs.items() if a != b)


def read_preparation(files: Iterable[str]) -> Preparation | None:
    """Reads the manifest of the data set that contains all of some files.

    Args:
        files: paths of PNGs or TFRecord files, local or gs://; they are one folder below the root of the data set.

    Returns:
        None if there is no manifest, it is not one of `pipelines.preprocess`, or the files are of several data sets.

    Raises:
        InputError: a manifest cannot be read.
    """
    roots = {storage.absolute(path).rpartition("/")[0].rpartition("/")[0] for path in files}
    found = {_read(storage.join(root, schema.MANIFEST_FILE)) for root in sorted(roots)}
    return found.pop() if len(found) == 1 else None


def _read(path: str) -> Preparation | None:
    with sources.input_errors(path, "cannot be read"):
        if not storage.exists(path):
            return None
        content = storage.read(path)
    try:
        manifest = json.loads(content)
        canvas = manifest["canvas"]
        return Preparation(
            (int(canvas["height"]), int(canvas["width"])),
            str(manifest["parameters"]["resample"]),
            str(manifest["fingerprint"]),
        )
    except (ValueError, LookupError, TypeError):
        return None  # a file of another program that has this name
