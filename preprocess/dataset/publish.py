"""Moves a staged data set to its final names, in steps that can be repeated after an interruption.

Many files cannot be renamed in one atomic operation. So the renames are written into a file first:

    OUT/.staging/<fingerprint>/publication.json    written when everything is staged; the data set will be published
    OUT/manifest.json, and the files it lists      deleted, if OUT contains an older data set; the manifest first
    OUT/small_train/…, OUT/cache/…                 renamed from the staging folder, each file whole
    OUT/manifest.json                              renamed last: with it, the data set is whole

Before the list is written, before the first file of an older data set is replaced, and before and after the manifest is
moved, everything so far is written to the disk (`storage.sync`). So a power cut leaves a whole data set with its
manifest, or none. Every step may be repeated. A later run that finds the file of its own data set completes the
publication (`recover`); if the file belongs to another data set, the files that were already published are deleted.
"""

import json
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.dataset.recipe import Recipe
from preprocess.files import storage
from preprocess.runtime.errors import InputError

PUBLICATION_FILE = "publication.json"


@dataclass(frozen=True)
class Publication:
    """The renames and deletions that publish a staged data set.

    Attributes:
        root: the output root.
        staging: the staging folder.
        moves: (file below the staging folder, file below the root); the manifest is the last.
        replaced: the files below the root of the data set that is replaced.
    """

    root: str
    staging: str
    moves: tuple[tuple[str, str], ...]
    replaced: tuple[str, ...] = ()

    def save(self) -> None:
        """Writes the publication file. What it lists is on the disk before, and the file itself is afterwards."""
        content = {"moves": self.moves, "replaced": self.replaced}
        storage.sync(self.root)
        storage.write(storage.join(self.staging, PUBLICATION_FILE), json.dumps(content).encode())
        storage.sync(self.root)

    def complete(self) -> None:
        """Performs all steps that are not done yet. May be called again, also by several processes at a time."""
        *files, manifest = ((storage.join(self.staging, a), storage.join(self.root, b)) for a, b in self.moves)
        if storage.exists(manifest[0]):  # otherwise everything was moved already
            if storage.exists(manifest[1]) and storage.read(manifest[1]) != storage.read(manifest[0]):
                storage.delete([manifest[1]])
                storage.sync(self.root)
            kept = {final for _, final in self.moves}
            storage.delete(storage.join(self.root, file) for file in self.replaced if file not in kept)
            storage.move(files)
            storage.sync(self.root)
            storage.move([manifest])
            storage.sync(self.root)

    def undo(self) -> None:
        """Deletes the files that were published of an incomplete data set. The caller deletes the staging folder.

        With a manifest in the root, either no step or every step was performed, and nothing is deleted. Without one,
        neither the old nor the new data set is whole.
        """
        if not storage.exists(storage.join(self.root, schema.MANIFEST_FILE)):
            names = {final for _, final in self.moves} | set(self.replaced)
            storage.delete(storage.join(self.root, name) for name in sorted(names))
            storage.sync(self.root)


def load_publication(root: str, staging: str) -> Publication | None:
    """Reads the publication file of a staging folder; None where there is none.

    A file that a power cut left incomplete counts as none: nothing is moved before the whole file is on the disk.
    """
    path = storage.join(staging, PUBLICATION_FILE)
    if not storage.exists(path):
        return None
    try:
        content = json.loads(storage.read(path))
    except ValueError:
        return None
    moves = tuple((staged, final) for staged, final in content["moves"])
    return Publication(root, staging, moves, tuple(content["replaced"]))


def recover(recipe: Recipe) -> bool:
    """Completes or undoes the publication of an interrupted run, and deletes staging folders of other data sets.

    The images that are staged for this data set are kept.

    Returns:
        Whether a publication of this data set was found; it is complete now.

    Raises:
        InputError: a folder of the output is a symbolic link.
    """
    record_folders = (stem.partition("/")[0] for stem in schema.RECORD_STEMS.values())
    for folder in (*schema.IMAGE_FOLDERS.values(), *record_folders, schema.STAGING_FOLDER):
        if storage.is_link(path := recipe.final(folder)):
            raise InputError(f"{path}: a symbolic link; the output must be a real folder; choose another --output")
    is_complete = False
    for folder in sorted({path.partition("/")[0] for path in storage.list_files(recipe.staging_root)}):
        staging = storage.join(recipe.staging_root, folder)
        publication = load_publication(recipe.output_root, staging)
        if publication and staging == recipe.staging:
            publication.complete()
            is_complete = True
        elif publication:
            publication.undo()
        if publication or staging != recipe.staging:
            storage.delete_folder(staging)
            storage.delete([staging])  # if it is a file
    storage.clear_unfinished(recipe.output_root)
    return is_complete
