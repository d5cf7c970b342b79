"""From a staged data set to its final names, in steps that anyone can finish, whenever they were broken off.

A store cannot rename many files at once. So what is to be renamed is written down first, into the staging folder:

    OUT/.staging/<fingerprint>/publication.json    written when everything is staged; from now on it will be published
    OUT/manifest.json, and what it names           the data set that is replaced, if there is one, goes, manifest first
    OUT/small_train/…, OUT/cache/…                 files get their final names, each whole
    OUT/manifest.json                              last: where it stands, the data set is whole

Every step may be done again. A run that finds such a list of its own data set finishes it (`recover`); of another data
set it takes back what was published.
"""

import json
from dataclasses import dataclass

from preprocess import schema, storage
from preprocess.errors import InputError
from preprocess.recipe import Recipe

LOG_FILE = "publication.json"
MANIFEST_KEYS = ("format", "fingerprint", "versions", "parameters", "canvas", "mammograms", "counts", "files")


@dataclass(frozen=True)
class Publication:
    """What is to be done with a staged data set.

    Attributes:
        root: the output root.
        staging: the staging folder.
        moves: (file below the staging folder, file below the root), the manifest last.
        replaced: the files below the root of the data set that stood there.
    """

    root: str
    staging: str
    moves: tuple[tuple[str, str], ...]
    replaced: tuple[str, ...] = ()

    def begin(self) -> None:
        """Writes the list; from now on the data set will be published."""
        log = {"moves": self.moves, "replaced": self.replaced}
        storage.write(storage.join(self.staging, LOG_FILE), json.dumps(log).encode())

    def finish(self) -> None:
        """Does what is still to be done. May be called again, and by several at a time."""
        *files, manifest = ((storage.join(self.staging, a), storage.join(self.root, b)) for a, b in self.moves)
        if storage.exists(manifest[0]):  # else it is published
            if storage.exists(manifest[1]) and storage.read(manifest[1]) != storage.read(manifest[0]):
                storage.delete([manifest[1]])
            kept = {final for _, final in self.moves}
            storage.delete(storage.join(self.root, file) for file in self.replaced if file not in kept)
            storage.move(files)
            storage.move([manifest])

    def withdraw(self) -> None:
        """Takes back what was published of a data set that was not finished; its staging folder goes next.

        Where a manifest stands, nothing was touched yet, or all was done. Where none does, neither data set is whole.
        """
        if not storage.exists(storage.join(self.root, schema.MANIFEST_FILE)):
            names = {final for _, final in self.moves} | set(self.replaced)
            storage.delete(storage.join(self.root, name) for name in sorted(names))


def begun(root: str, staging: str) -> Publication | None:
    """The publication that was begun from a staging folder, if one was."""
    path = storage.join(staging, LOG_FILE)
    if not storage.exists(path):
        return None
    log = json.loads(storage.read(path))
    return Publication(root, staging, tuple((a, b) for a, b in log["moves"]), tuple(log["replaced"]))


def recover(recipe: Recipe) -> bool:
    """Takes up what an earlier run left in the output root; what is of no use to this one is cleared away.

    Images that are staged for this very data set stay. Returns whether a publication of it was begun, and so is now
    finished.

    Raises:
        InputError: a folder of the output is a link to somewhere else.
    """
    for folder in (*schema.IMAGE_FOLDERS.values(), *(s.partition("/")[0] for s in schema.RECORD_STEMS.values()),
                   schema.STAGING_FOLDER):  # fmt: skip
        if storage.is_link(path := recipe.final(folder)):
            raise InputError(f"{path}: is a link, and nothing is written through one; choose another --output")
    finished = False
    for folder in sorted({path.partition("/")[0] for path in storage.list_files(recipe.staging_root)}):
        staging = storage.join(recipe.staging_root, folder)
        left = begun(recipe.output_root, staging)
        if left and staging == recipe.staging:
            left.finish()
            finished = True
        elif left:
            left.withdraw()
        if left or staging != recipe.staging:
            storage.delete_folder(staging)
            storage.delete([staging])  # a file where a folder is expected
    storage.clear_unfinished(recipe.output_root)
    return finished


def read_manifest(output_root: str) -> dict | None:
    """The manifest of a finished data set; None where there is none.

    Raises:
        InputError: a file of that name is no manifest.
    """
    path = storage.join(output_root, schema.MANIFEST_FILE)
    if not storage.exists(path):
        return None
    try:
        manifest = json.loads(storage.read(path))
        return {key: manifest[key] for key in MANIFEST_KEYS}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: is no manifest of this job; move it away or choose another --output") from error


def standing(output_root: str) -> list[str]:
    """The files of the data set that a manifest describes, with its report; empty where there is none."""
    manifest = read_manifest(output_root)
    held = (
        storage.list_files(output_root) if manifest else {}
    )  # so that no name in a manifest reaches out of the folder
    return [name for name in (*(manifest or {"files": ()})["files"], schema.REPORT_FILE) if name in held]


def output_files(output_root: str) -> list[str]:
    """The images, records and tables that stand under final names, with or without a manifest."""
    folders = tuple(f"{folder}/" for folder in schema.IMAGE_FOLDERS.values())
    stems = tuple(schema.RECORD_STEMS.values())
    return sorted(
        path for path in storage.list_files(output_root)
        if path == schema.DATASET_FILE or path.startswith((*folders, *stems))
    )  # fmt: skip
