"""A folder of 16-bit PNGs named `<density>_<case>`, with or without `.png` -> an image set."""

import re
from collections.abc import Iterable

import numpy as np

from preprocess.contract import schema
from preprocess.contract.png import decode_png
from preprocess.files.storage import join
from preprocess.runtime.errors import InputError
from preprocess.runtime.log import Log
from trainer.data import sources
from trainer.data.image_set import ImageSet

_NAMED = re.compile(r"(\d+)_(.+)", re.DOTALL)
_ENDING = ".png"
_EXAMPLES = 3


def read_folder(folder: str, size: tuple[int, int], categories: int, log: Log) -> ImageSet:
    """Reads every image of a folder, in record order, so that records of the same images give the same set.

    Args:
        size: (height, width) that every image must have.
        categories: how many density categories there are.

    Raises:
        InputError: no such folder, no images, or one of them is not as it should be; the message names it.
    """
    files = _image_files(folder, sources.list_folder(folder), categories, log)
    if not files:
        raise InputError(f"{folder}: holds no image named <density>_<case>; name a folder like {'small_train'}")

    def load(name: str) -> np.ndarray:
        return _load(join(folder, name), size)

    pixels = np.empty((len(files), *size, 1), np.uint16)
    for number, image in enumerate(log.track(sources.map_files(load, files), len(files), f"reading {folder}")):
        pixels[number, :, :, 0] = image
    names = tuple(file.removesuffix(_ENDING) for file in files)
    labels = np.array([int(name.partition("_")[0]) - 1 for name in names], np.int64)
    return ImageSet(folder, names, pixels, labels, categories)


def _image_files(folder: str, found: Iterable[str], categories: int, log: Log) -> list[str]:
    """The images among the files of a folder, in record order; the others are named."""
    files: dict[str, str] = {}
    others = []
    for file in found:
        name = file.removesuffix(_ENDING)
        named = _NAMED.fullmatch(name)
        if named is None:
            others.append(file)
            continue
        if not 1 <= int(named[1]) <= categories:
            raise InputError(f"{folder}/{file}: density category {named[1]}; expected 1 to {categories}")
        case = named[2]
        if case in files:
            raise InputError(f"{folder}: {case} stands there twice, as {files[case]} and {file}; remove one of the two")
        files[case] = file
    if others:
        more = f" and {len(others) - _EXAMPLES:,} more" if len(others) > _EXAMPLES else ""
        log.warning(f"{folder}: not named <density>_<case> and left out: {', '.join(others[:_EXAMPLES])}{more}")
    return [files[case] for case in sorted(files, key=schema.record_order)]


def _load(path: str, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint16 of one file."""
    try:
        pixels = decode_png(sources.read(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if pixels.shape != size:
        raise InputError(
            f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels; expected {size[1]} x {size[0]} "
            f"(--image_width, --image_height)"
        )
    return pixels
