"""`manifest.json`: what a data set contains and how it was made.

It is written last: a data set without it is incomplete.
"""

import collections
import json
import platform
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from preprocess.contract import schema
from preprocess.contract.schema import Size
from preprocess.dataset.recipe import PreparedImage, Recipe
from preprocess.files import storage
from preprocess.runtime.errors import InputError

KEYS = ("format", "fingerprint", "versions", "parameters", "canvas", "mammograms", "counts", "files")
_NO_FILES = '\n "files": {},'
LIBRARIES = ("apache-beam", "numba", "numpy", "pillow", "pydicom")
DECODERS = ("pyjpegls", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "python-gdcm")
"""pydicom's plugins that `images.dicom.syntaxes` uses if they are installed. `LIBRARIES` are always installed."""


def format_manifest(
    images: Collection[PreparedImage],
    rejected: int,
    excluded: int,
    others: Mapping[str, Mapping],
    canvas: Size,
    recipe: Recipe,
) -> Iterator[bytes]:
    """Yields the manifest of a data set in pieces. About 200 bytes an image are in memory, to sort the files by path.

    Args:
        others: path below the output root of each file that is not an image -> its `bytes` and `sha256`.
    """
    counted: collections.Counter[tuple[str, int]] = collections.Counter()
    files = [_entry(path, entry["bytes"], entry["sha256"]) for path, entry in others.items()]
    for image in images:
        counted[image.film.split, image.film.density] += 1
        files.append(_entry(image.file, image.png_bytes, image.png_sha256))
    files.sort()
    manifest: dict[str, object] = {
        "format": schema.FORMAT,
        "fingerprint": recipe.fingerprint,
        "versions": library_versions(),
        "parameters": asdict(recipe.parameters),
        "canvas": {"height": canvas[0], "width": canvas[1]},
        "mammograms": {
            "named": recipe.totals.named,
            "matched": recipe.totals.matched,
            "spare_files": recipe.totals.duplicate_files,
            "rejected": rejected,
            "excluded": excluded,
            "prepared": len(images),
        },
        "counts": {
            split: {str(density): counted[split, density] for density in schema.DENSITIES} for split in schema.SPLITS
        },
        "files": {},
    }
    if recipe.attribution:
        manifest["attribution"] = recipe.attribution
    before, after = json.dumps(manifest, indent=1, sort_keys=True).split(_NO_FILES)
    yield f'{before}\n "files": {{'.encode()
    for number, file in enumerate(files):
        path, size, sha256 = file.split("\0")
        comma = "," if number else ""
        yield f'{comma}\n  {json.dumps(path)}: {{\n   "bytes": {size},\n   "sha256": "{sha256}"\n  }}'.encode()
    yield f"\n }},{after}".encode()


def _entry(path: str, size: int, sha256: str) -> str:
    """Returns a text that sorts like the path. A path contains no NUL."""
    return f"{path}\0{size}\0{sha256}"


def library_versions() -> dict[str, str]:
    """Returns the versions of Python, of the libraries that read films and write images, and of installed decoders."""
    versions = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
    for name in DECODERS:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def read_manifest(output_root: str) -> dict | None:
    """Returns the manifest of a finished data set, None where there is none.

    Raises:
        InputError: a file of that name is not a manifest of this job, or is one of a later version.
    """
    path = storage.join(output_root, schema.MANIFEST_FILE)
    if not storage.exists(path):
        return None
    try:
        content = json.loads(storage.read(path))
        manifest = {key: content[key] for key in KEYS}
        is_later = manifest["format"] > schema.FORMAT
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a manifest of this job; move it away or choose another --output") from error
    if is_later:
        raise InputError(
            f"{path}: has format {manifest['format']}, of a later version of this program, which reads formats up to "
            f"{schema.FORMAT}; update it"
        )
    return manifest


def existing_files(output_root: str) -> list[str]:
    """Returns the files of the data set that a manifest describes, its report and the file of film versions.

    Empty without a manifest.

    Only files that a listing of the folder contains are returned, so that no name in a manifest leads out of it.
    """
    manifest = read_manifest(output_root)
    if manifest is None:
        return []
    present = storage.list_files(output_root)
    return [name for name in (*manifest["files"], schema.REPORT_FILE, schema.VERSIONS_FILE) if name in present]


def output_files(output_root: str) -> list[str]:
    """Returns the images, records, tables and cards that exist under final names, with or without a manifest."""
    folders = tuple(f"{folder}/" for folder in schema.IMAGE_FOLDERS.values())
    names = (schema.DATASET_FILE, schema.CARD_FILE, schema.CROISSANT_FILE, *schema.TFDS_FILES)
    stems = tuple(schema.RECORD_STEMS.values())
    return sorted(
        path for path in storage.list_files(output_root)
        if path in names or path.startswith((*folders, *stems))
    )  # fmt: skip
