"""Reads a folder of 16-bit PNGs, named `<density>_<mammogram ID>` with or without `.png`, into an `ImageSet`."""

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
from trainer.data.preparation import read_preparation

_NAMED = re.compile(r"(\d+)_(.+)", re.DOTALL)
_ENDING = ".png"
_EXAMPLES = 3


def read_folder(folder: str, size: tuple[int, int], categories: int, log: Log) -> ImageSet:
    """Reads every image of a folder, in record order: TFRecords of the same images give the same set.

    Args:
        folder: a local path or gs://.
        size: (height, width) that every image must have.
        categories: number of density categories.

    Raises:
        InputError: the folder does not exist or contains no images, or an image is invalid; the message names it.
    """
    files = _image_files(folder, sources.list_folder(folder), categories, log)
    if not files:
        raise InputError(
            f"{folder}: contains no image named <density>_<mammogram ID>; name a folder such as small_train"
        )

    def load(name: str) -> np.ndarray:
        return _load(join(folder, name), size)

    pixels = np.empty((len(files), *size, 1), np.uint16)
    for number, image in enumerate(log.track(sources.map_files(load, files), len(files), f"reading {folder}")):
        pixels[number, :, :, 0] = image
    names = tuple(file.removesuffix(_ENDING) for file in files)
    labels = np.array([int(name.partition("_")[0]) - 1 for name in names], np.int64)
    return ImageSet(folder, names, pixels, labels, categories, read_preparation([join(folder, files[0])]))


def _image_files(folder: str, found: Iterable[str], categories: int, log: Log) -> list[str]:
    """Returns the names of the image files among `found`, in record order, and warns about other files.

    Raises:
        InputError: a density category is out of range, or a mammogram has two files.
    """
    files: dict[str, str] = {}
    others = []
    for file in found:
        if file == schema.METADATA_NAME:
            continue  # the labels, for other tools
        name = file.removesuffix(_ENDING)
        named = _NAMED.fullmatch(name)
        if named is None:
            others.append(file)
            continue
        if not 1 <= int(named[1]) <= categories:
            raise InputError(f"{folder}/{file}: density category {named[1]}; expected 1 to {categories}")
        mammogram_id = named[2]
        if mammogram_id in files:
            raise InputError(
                f"{folder}: contains {mammogram_id} twice, as {files[mammogram_id]} and {file}; remove one of the two"
            )
        files[mammogram_id] = file
    if others:
        more = f" and {len(others) - _EXAMPLES:,} more" if len(others) > _EXAMPLES else ""
        examples = ", ".join(others[:_EXAMPLES])
        log.warning(f"{folder}: not named <density>_<mammogram ID> and therefore ignored: {examples}{more}")
    return [files[mammogram_id] for mammogram_id in sorted(files, key=schema.record_order)]


def _load(path: str, size: tuple[int, int]) -> np.ndarray:
    """Reads one PNG: (height, width) uint16.

    Raises:
        InputError: it cannot be read, is not a 16-bit grayscale PNG, or has another size.
    """
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
