"""From prepared images to a published data set: check the rejection rate, stage all files, publish them."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from preprocess.contract import schema
from preprocess.contract.schema import Omission, Size
from preprocess.dataset.cards.croissant import croissant_file
from preprocess.dataset.cards.data_card import data_card
from preprocess.dataset.cards.image_folder import metadata_files
from preprocess.dataset.cards.tfds_info import tfds_files
from preprocess.dataset.manifest import existing_files, format_manifest, read_manifest
from preprocess.dataset.piece_results import PieceResult, StoredImages, in_order, read_omissions
from preprocess.dataset.publish import Publication, load_publication, write_removals
from preprocess.dataset.recipe import IMAGES_FOLDER, Recipe
from preprocess.dataset.record_parts import RecordFile
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


def check_rejection_rate(results: Iterable[PieceResult], recipe: Recipe) -> JobResult:
    """Compares the share of rejected mammograms with the largest allowed one; refuses a data set without images."""
    counts = [(result.images, result.rejected) for result in results]
    prepared = sum(images for images, _ in counts)
    rejected = recipe.plan.rejected + sum(rejected for _, rejected in counts)
    named = recipe.totals.named
    refusal = ""
    if not prepared:
        refusal = "no image is left"
    elif rejected > recipe.max_rejected * named:
        refusal = (
            f"{rejected:,} of {named:,} named mammograms are rejected ({rejected / named:.1%}), "
            f"more than --max_rejected {recipe.max_rejected:g} allows"
        )
    return JobResult(prepared, rejected, recipe.plan.excluded, refusal)


def stage_dataset(
    results: Iterable[PieceResult], records: Iterable[RecordFile], canvas: Size, recipe: Recipe
) -> list[str]:
    """Stages all files but the images and the records, and begins the publication.

    If the data set may not be published, only the reason and `rejected.jsonl` are written. May be called again with the
    same arguments: a runner repeats a step whose result was lost.

    Returns:
        The steps of the publication, for `publish.perform`. They may be performed in any order. Empty if the data set
        may not be published, or is published already.

    Raises:
        RunFailed: a file cannot be written, or another run has taken over the output.
    """
    results = in_order(results, recipe)
    result = check_rejection_rate(results, recipe)
    with storage.output_errors(recipe.output_root):
        if result.refusal:
            lock.check(recipe.output_root, recipe.lock_token)
            storage.write(recipe.staged(REFUSAL_FILE), json.dumps(asdict(result)).encode())
            storage.write(refused_omissions_file(recipe), format_omissions(_all_omissions(results, recipe)))
            return []
        if _is_published(results, recipe):
            return []
        publication = load_publication(recipe.output_root, recipe.staging)
        if publication is None:
            publication = _stage(results, result, records, canvas, recipe)
            lock.check(recipe.output_root, recipe.lock_token)
            publication.save()
        publication.begin()
        return list(publication.steps)


def finish_publication(results: Iterable[PieceResult], recipe: Recipe) -> JobResult:
    """Completes the publication after all its steps: moves the files that are not images, the manifest last.

    May be called again with the same arguments.

    Returns:
        The result of `check_rejection_rate`.

    Raises:
        RunFailed: a file cannot be written.
    """
    with storage.output_errors(recipe.output_root):
        publication = load_publication(recipe.output_root, recipe.staging)
        if publication:
            publication.finish()
        if publication or read_refusal(recipe) is None:  # a refusal is read by the main program
            storage.delete_folder(recipe.staging_root)
    return check_rejection_rate(results, recipe)


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
    count = 0
    for split in schema.SPLITS:
        with suppress(FileNotFoundError):
            names = storage.list_folder(recipe.staged(f"{IMAGES_FOLDER}/{split}"))
            count += sum(name.endswith(".png") for name in names)
    return count


def _is_published(results: Sequence[PieceResult], recipe: Recipe) -> bool:
    if storage.exists(recipe.staged(results[0].file)):
        return False
    manifest = read_manifest(recipe.output_root)
    return manifest is not None and manifest["fingerprint"] == recipe.fingerprint


def _stage(
    results: Sequence[PieceResult], result: JobResult, records: Iterable[RecordFile], canvas: Size, recipe: Recipe
) -> Publication:
    """Writes tables, cards, manifest and lists of files to delete into the staging folder; returns the publication."""
    images = StoredImages(results, recipe)
    omissions = _all_omissions(results, recipe)
    records = sorted(records, key=lambda record: (record.split, record.shard))
    files = {record.file: {"bytes": record.bytes, "sha256": record.sha256} for record in records}
    written: dict[str, Iterable[bytes]] = {
        schema.OMISSIONS_FILE: [format_omissions(omissions)],
        schema.DATASET_FILE: format_dataset_table(images),
        schema.CARD_FILE: [data_card(images, omissions, canvas, recipe)],
        **metadata_files(images),
        **{name: [data] for name, data in tfds_files(records, recipe).items()},
    }
    files |= {name: _write(name, pieces, recipe) for name, pieces in written.items()}
    files[schema.CROISSANT_FILE] = _write(schema.CROISSANT_FILE, [croissant_file(files, recipe)], recipe)
    manifest = format_manifest(images, result.rejected, result.excluded, files, canvas, recipe)
    _write(schema.MANIFEST_FILE, manifest, recipe)
    published = [*sorted(files), schema.MANIFEST_FILE]
    if storage.exists(recipe.staged(schema.VERSIONS_FILE)):  # a job from a template has none
        published.insert(0, schema.VERSIONS_FILE)
    removed: list[str] = []
    if existing := existing_files(recipe.output_root):
        kept = {*published, *(image.file for image in images)}
        removed = [file for file in existing if file not in kept]
    steps = [*write_removals(removed, recipe), *(result.file for result in results)]
    return Publication(recipe.output_root, recipe.staging, tuple((file, file) for file in published), (), tuple(steps))


def _all_omissions(results: Sequence[PieceResult], recipe: Recipe) -> list[Omission]:
    return [*recipe.plan.read_omissions(), *read_omissions(results, recipe)]


def _write(name: str, pieces: Iterable[bytes], recipe: Recipe) -> dict[str, object]:
    """Writes a file into the staging folder; returns its entry in the manifest."""
    digest, size = hashlib.sha256(), 0
    with storage.open_for_writing(recipe.staged(name)) as stream:
        for data in pieces:
            stream.write(data)
            digest.update(data)
            size += len(data)
    return {"bytes": size, "sha256": digest.hexdigest()}
