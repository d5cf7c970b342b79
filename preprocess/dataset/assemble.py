"""From prepared images to a published data set: check the rejection rate, stage all files, publish them."""

import collections
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from preprocess.contract import schema
from preprocess.contract.schema import Omission, Size
from preprocess.dataset.cards.croissant import croissant_file
from preprocess.dataset.cards.data_card import data_card
from preprocess.dataset.cards.image_folder import metadata_files
from preprocess.dataset.cards.tfds_info import tfds_files
from preprocess.dataset.manifest import existing_files, format_manifest, read_manifest
from preprocess.dataset.publish import Publication, load_publication
from preprocess.dataset.recipe import IMAGES_FOLDER, PreparedImage, Recipe
from preprocess.dataset.record_parts import RecordPart, join_parts
from preprocess.dataset.tables import format_dataset_table, format_omissions
from preprocess.files import lock, storage

REFUSAL_FILE = "refusal.json"


@dataclass(frozen=True, slots=True)
class JobResult:
    """Counts of mammograms, and why the data set may not be published; `refusal` is empty if it may."""

    prepared: int
    rejected: int
    excluded: int
    refusal: str


def check_rejection_rate(images: Sequence[PreparedImage], omissions: Iterable[Omission], recipe: Recipe) -> JobResult:
    """Compares the share of rejected mammograms with the largest allowed one."""
    kinds = collections.Counter(omission.kind for omission in omissions)
    rejected, excluded = kinds[schema.REJECTED], kinds[schema.EXCLUDED]
    named = recipe.totals.named
    refusal = ""
    if not images:
        refusal = "no image is left"
    elif rejected > recipe.max_rejected * named:
        refusal = (
            f"{rejected:,} of {named:,} named mammograms are rejected ({rejected / named:.1%}), "
            f"more than --max_rejected {recipe.max_rejected:g} allows"
        )
    return JobResult(len(images), rejected, excluded, refusal)


def publish_dataset(
    images: Sequence[PreparedImage],
    omissions: Sequence[Omission],
    parts: Sequence[RecordPart],
    canvas: Size,
    recipe: Recipe,
) -> JobResult:
    """Stages the remaining files and publishes the data set; writes only `rejected.jsonl` if it may not be published.

    May be called again with the same arguments: a runner repeats a step whose result was lost.

    Raises:
        RunFailed: a file cannot be written, or another run has taken over the output.
    """
    result = check_rejection_rate(images, omissions, recipe)
    with storage.output_errors(recipe.output_root):
        if result.refusal:
            lock.check(recipe.output_root, recipe.lock_token)
            storage.write(recipe.staged(REFUSAL_FILE), json.dumps(asdict(result)).encode())
            storage.write(refused_omissions_file(recipe), format_omissions(omissions))
        else:
            if not _is_published(images, recipe):
                publication = load_publication(recipe.output_root, recipe.staging)
                if publication is None:
                    publication = _stage(images, omissions, result, parts, canvas, recipe)
                    lock.check(recipe.output_root, recipe.lock_token)
                    publication.save()
                publication.complete()
            storage.delete_folder(recipe.staging_root)
    return result


def refused_omissions_file(recipe: Recipe) -> str:
    """Returns where `rejected.jsonl` is written if no data set is published.

    It is the staging folder if the output contains an older data set, whose `rejected.jsonl` is kept.
    """
    has_older_dataset = read_manifest(recipe.output_root) is not None
    return (recipe.staged if has_older_dataset else recipe.final)(schema.OMISSIONS_FILE)


def read_refusal(recipe: Recipe) -> JobResult | None:
    """Returns the result of a job that published nothing; None if it published the data set."""
    path = recipe.staged(REFUSAL_FILE)
    return JobResult(**json.loads(storage.read(path))) if storage.exists(path) else None


def count_staged(recipe: Recipe) -> int:
    """Counts the PNGs that are staged so far, for a progress line."""
    return sum(path.endswith(".png") for path in storage.list_files(recipe.staged(IMAGES_FOLDER)))


def _is_published(images: Sequence[PreparedImage], recipe: Recipe) -> bool:
    if storage.exists(recipe.staged(images[0].staged)):
        return False
    manifest = read_manifest(recipe.output_root)
    return manifest is not None and manifest["fingerprint"] == recipe.fingerprint


def _stage(
    images: Sequence[PreparedImage],
    omissions: Sequence[Omission],
    result: JobResult,
    parts: Sequence[RecordPart],
    canvas: Size,
    recipe: Recipe,
) -> Publication:
    """Writes records, tables, cards and manifest into the staging folder; returns the renames that publish them."""
    files = {image.file: {"bytes": image.png_bytes, "sha256": image.png_sha256} for image in images}
    files |= join_parts(parts, recipe)
    written = {
        schema.OMISSIONS_FILE: format_omissions(omissions),
        schema.DATASET_FILE: format_dataset_table(images),
        schema.CARD_FILE: data_card(images, omissions, canvas, recipe),
        **metadata_files(images),
        **tfds_files(parts, files, recipe),
    }
    files |= _stage_files(written, recipe)
    files |= _stage_files({schema.CROISSANT_FILE: croissant_file(files, recipe)}, recipe)
    manifest = format_manifest(images, result.rejected, result.excluded, files, canvas, recipe)
    storage.write(recipe.staged(schema.MANIFEST_FILE), manifest)
    staged_names = {image.file: image.staged for image in images}
    published = [*sorted(files), schema.MANIFEST_FILE]
    if storage.exists(recipe.staged(schema.VERSIONS_FILE)):  # a job from a template has none
        published.insert(0, schema.VERSIONS_FILE)
    moves = [(staged_names.get(file, file), file) for file in published]
    return Publication(recipe.output_root, recipe.staging, tuple(moves), tuple(existing_files(recipe.output_root)))


def _stage_files(contents: Mapping[str, bytes], recipe: Recipe) -> dict[str, dict]:
    """Writes files into the staging folder; returns their entries in the manifest."""
    for name, data in contents.items():
        storage.write(recipe.staged(name), data)
    return {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}
