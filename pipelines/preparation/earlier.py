"""Compares the data set that the output contains with the one that a run would make."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass

from preprocess.cases.plan import Plan
from preprocess.contract import schema
from preprocess.dataset.manifest import output_files, read_manifest
from preprocess.dataset.publish import recover
from preprocess.dataset.recipe import Recipe
from preprocess.dataset.versions import Versions, changed_films, read_versions, reuse_published
from preprocess.files import storage
from preprocess.runtime.errors import InputError

EXAMPLES = 3


@dataclass(frozen=True)
class EarlierDataset:
    """The data set in the output before a run.

    Attributes:
        is_current: whether it is the one that the run would make, from the same versions of all files.
        message: what has changed since it was made; empty if nothing has, if there is no data set, or if it is replaced
            as a whole.
        manifest: of a data set whose images may be used again; None if there is none.
        versions: of the files from which it was made; None if they are not known.
    """

    is_current: bool = False
    message: str = ""
    manifest: Mapping | None = None
    versions: Versions | None = None

    def reused(self, plan: Plan, recipe: Recipe) -> tuple[Plan, Recipe]:
        """Returns plan and recipe of a run that uses the images of unchanged films again."""
        if self.manifest is None or self.versions is None:
            return plan, recipe
        canvas = self.manifest["canvas"]
        films = reuse_published(plan.films, self.versions, self.manifest, recipe)
        return (
            dataclasses.replace(plan, films=films),
            dataclasses.replace(recipe, published_canvas=(canvas["height"], canvas["width"])),
        )


def look_for_dataset(plan: Plan, recipe: Recipe, force: bool) -> EarlierDataset:
    """Looks for a data set in the output root, after an interrupted publication of this data set was completed.

    Args:
        force: whether a data set with another fingerprint may be replaced, and one with the same fingerprint is made
            again as a whole.

    Raises:
        InputError: the output root contains another data set, or files that this job did not write.
    """
    root = recipe.output_root
    completed = recover(recipe)
    manifest = read_manifest(root)
    if manifest is None:
        if found := output_files(root):
            raise InputError(
                f"{root}: contains {found[0]} but no {schema.MANIFEST_FILE}, so this job did not make it; "
                f"move it away or choose another --output"
            )
        return EarlierDataset()
    versions = read_versions(root)
    if manifest["fingerprint"] != recipe.fingerprint:
        if not force:
            raise InputError(
                f"{root}: contains a data set made from other input or with other options "
                f"({_difference(manifest, recipe)}); choose another --output, or --force to replace it"
            )
        return EarlierDataset(manifest=manifest, versions=versions)
    if force and not completed:
        return EarlierDataset()
    if versions is None:
        return EarlierDataset(
            message=f"{root} has no readable {schema.VERSIONS_FILE}, so it is not known whether films have changed "
            f"since this data set was made: all are prepared again"
        )
    present = storage.list_files(root)
    if missing := [file for file in manifest["files"] if file not in present]:
        return EarlierDataset(
            message=f"{len(missing):,} files of the data set are missing, such as {missing[0]}: it is made again",
            manifest=manifest,
            versions=versions,
        )
    changed = [film.mammogram_id for film in changed_films(plan.films, versions)]
    if changed:
        names = ", ".join(changed[:EXAMPLES]) + (", …" if len(changed) > EXAMPLES else "")
        return EarlierDataset(
            message=f"{len(changed):,} of {len(plan.films):,} films have changed since this data set was made, and are "
            f"prepared again: {names}",
            manifest=manifest,
            versions=versions,
        )
    storage.delete_folder(recipe.staging_root)  # a run was killed while it deleted this folder
    return EarlierDataset(is_current=True)


def _difference(manifest: Mapping, recipe: Recipe) -> str:
    """Returns how a data set differs from the one that a run would make."""
    wanted = json.loads(json.dumps(dataclasses.asdict(recipe.parameters)))
    changed = [f"--{name}" for name, value in wanted.items() if manifest["parameters"].get(name) != value]
    if changed:
        return f"{', '.join(changed)}"
    if manifest["format"] != schema.FORMAT:
        return f"format {manifest['format']} of an earlier version"
    return "other mammograms, or films were added, removed or renamed to other mammograms"
