"""Moves a staged data set to its final names, in steps that can be repeated after an interruption.

Many files cannot be renamed in one atomic operation. So the renames are written into files first:

    OUT/.staging/<fingerprint>/publication.json    written when everything is staged; the data set will be published
    OUT/manifest.json                              deleted, if OUT contains an older data set
    files of an older data set                     deleted, 1,000 a step
    OUT/small_train/…, OUT/small_test/…            renamed from the staging folder, each file whole, 500 a step
    OUT/cache/…, OUT/dataset.csv, …                renamed when all these steps are done
    OUT/manifest.json                              renamed last: with it, the data set is whole

The steps in the middle are independent of each other, and several workers perform them. `publication.json` names a file
for each step, with the list of what it renames or deletes; the lists of images are the files of `piece_results`.

Before `publication.json` is written, before the first file of an older data set is replaced, and before and after the
manifest is moved, everything so far is written to the disk (`storage.sync`). So a power cut leaves a whole data set
with its manifest, or none.

Every step may be repeated. A later run that finds the `publication.json` of its own data set completes the publication
(`recover`). If it finds that of another data set, it deletes the files that were already published.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from preprocess.contract import schema
from preprocess.dataset.piece_results import read_moves
from preprocess.dataset.plan_files import encode_lines, in_pieces, read_lines
from preprocess.dataset.recipe import Recipe
from preprocess.files import storage
from preprocess.runtime.errors import InputError

PUBLICATION_FILE = "publication.json"
REMOVALS_FOLDER = "removed"
STEP_REMOVALS = 1000


@dataclass(frozen=True)
class Publication:
    """The renames and deletions that publish a staged data set.

    Attributes:
        root: the output root.
        staging: the staging folder.
        moves: (file below the staging folder, file below the root) of all files but the images; the manifest is the
            last.
        replaced: files below the root of the data set that is replaced, in a publication of an earlier version.
        steps: files below the staging folder with lists of images to rename, or of files to delete.
    """

    root: str
    staging: str
    moves: tuple[tuple[str, str], ...]
    replaced: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    def save(self) -> None:
        """Writes the publication file. All staged files are on the disk before, and the file itself is afterwards."""
        content = {"moves": self.moves, "replaced": self.replaced, "steps": self.steps}
        storage.sync(self.root)
        storage.write(storage.join(self.staging, PUBLICATION_FILE), json.dumps(content).encode())
        storage.sync(self.root)

    def complete(self) -> None:
        """Performs all steps that are not done yet. May be called again, also by several processes at a time."""
        self.begin()
        for step in self.steps:
            perform(step, self.root, self.staging)
        self.finish()

    def begin(self) -> None:
        """Deletes the manifest of the data set that is replaced. Must be called before the steps are performed."""
        staged, final = (storage.join(folder, schema.MANIFEST_FILE) for folder in (self.staging, self.root))
        is_other = storage.exists(staged) and storage.exists(final) and storage.read(final) != storage.read(staged)
        if is_other:
            storage.delete([final])
            storage.sync(self.root)

    def finish(self) -> None:
        """Moves the files that are not images, the manifest last. Must be called after the steps are performed."""
        *files, manifest = ((storage.join(self.staging, a), storage.join(self.root, b)) for a, b in self.moves)
        if storage.exists(manifest[0]):  # otherwise everything was moved already
            kept = {final for _, final in self.moves}
            storage.delete(storage.join(self.root, file) for file in self.replaced if file not in kept)
            storage.move(files)
            storage.sync(self.root)
            storage.move([manifest])
            storage.sync(self.root)

    def undo(self) -> None:
        """Deletes the published files of an incomplete data set. The caller deletes the staging folder.

        With a manifest in the root, either no step or every step was performed, and nothing is deleted. Without one,
        neither the old nor the new data set is whole.
        """
        if not storage.exists(storage.join(self.root, schema.MANIFEST_FILE)):
            names = {final for _, final in self.moves} | set(self.replaced)
            storage.delete(storage.join(self.root, name) for name in sorted(names))
            for step in self.steps:
                storage.delete(storage.join(self.root, name) for name in _names(step, self.staging))
            storage.sync(self.root)


def perform(step: str, root: str, staging: str) -> None:
    """Performs one of the steps of a publication, unless all of it was performed already."""
    if not storage.exists(storage.join(staging, schema.MANIFEST_FILE)):
        return
    if _is_removal(step):
        storage.delete(storage.join(root, name) for name in _names(step, staging))
    else:
        moves = read_moves(storage.join(staging, step))
        storage.move((storage.join(staging, staged), storage.join(root, final)) for staged, final in moves)


def write_removals(files: Sequence[str], recipe: Recipe) -> Iterator[str]:
    """Writes lists of files to delete into the staging folder, and yields the steps that delete them.

    Args:
        files: below the output root.
    """
    for number, names in enumerate(in_pieces(files, STEP_REMOVALS)):
        step = f"{REMOVALS_FOLDER}/{number:05d}"
        storage.write(recipe.staged(step), encode_lines(names))
        yield step


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
    return Publication(root, staging, moves, tuple(content["replaced"]), tuple(content.get("steps", ())))


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
    for folder in storage.list_entries(recipe.staging_root):
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


def _is_removal(step: str) -> bool:
    return step.startswith(f"{REMOVALS_FOLDER}/")


def _names(step: str, staging: str) -> Iterator[str]:
    """Yields the files below the root that a step deletes or writes."""
    path = storage.join(staging, step)
    yield from read_lines(path) if _is_removal(step) else (final for _, final in read_moves(path))
