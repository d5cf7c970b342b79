"""From prepared images to a data set: judge, write the records in parts, join them, publish.

Everything is written to the staging folder first; `preprocess.publication` then gives it its final names.
"""

import collections
import csv
import hashlib
import io
import json
import platform
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from preprocess import locking, publication, schema, storage
from preprocess.example import LabelledImage, decode_png, encode_example
from preprocess.publication import Publication
from preprocess.recipe import IMAGES_FOLDER, PreparedImage, Recipe, RecordPart
from preprocess.records import frame
from preprocess.resize import Size
from preprocess.schema import Omission

LIBRARIES = ("apache-beam", "numba", "numpy", "pillow", "pydicom")
VERDICT_FILE = "verdict.json"
_COPY_BYTES = 1 << 20
_FORMULA = "=+-@"  # what a spreadsheet would take a cell that begins so for


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many mammograms went which way, and why the outcome may not be published; `reason` is empty where it may."""

    prepared: int
    rejected: int
    excluded: int
    reason: str


def judge(images: Sequence[PreparedImage], omissions: Iterable[Omission], recipe: Recipe) -> Verdict:
    """Holds the rejected mammograms against the tolerated share of the named ones."""
    kinds = collections.Counter(omission.kind for omission in omissions)
    rejected, excluded = kinds[schema.REJECTED], kinds[schema.EXCLUDED]
    reason = ""
    if not images:
        reason = "no image is left"
    elif rejected > recipe.max_rejected * recipe.named:
        reason = (
            f"{rejected:,} of {recipe.named:,} named mammograms are rejected ({rejected / recipe.named:.1%}), "
            f"more than --max_rejected {recipe.max_rejected:g} allows"
        )
    return Verdict(len(images), rejected, excluded, reason)


def split_into_parts(
    images: Sequence[PreparedImage], omissions: Sequence[Omission], recipe: Recipe
) -> Iterator[RecordPart]:
    """The images of each split in record order, cut into shards and the shards into parts; none if not publishable."""
    if judge(images, omissions, recipe).reason:
        return
    pieces = recipe.shards * recipe.parts
    for split in schema.SPLITS:
        ordered = in_record_order(images, split)
        bounds = [-(-len(ordered) * piece // pieces) for piece in range(pieces + 1)]
        for piece in range(pieces):
            shard, index = divmod(piece, recipe.parts)
            yield RecordPart(split, shard, index, tuple(ordered[bounds[piece] : bounds[piece + 1]]))


def write_part(part: RecordPart, recipe: Recipe) -> RecordPart:
    """Streams the records of a part, read back one PNG at a time, into a file of its own."""
    path = recipe.staged(f"parts/{part.split}-{part.shard:05d}-{part.index:05d}-{uuid.uuid4().hex}")
    with storage.about_output(recipe.output_root), storage.open_for_writing(path) as stream:
        for image in part.images:
            pixels = decode_png(storage.read(recipe.staged(image.staged)))
            label = schema.label_of(image.film.density)
            stream.write(frame(encode_example(LabelledImage(image.film.name, label, pixels))))
    return replace(part, path=path)


def publish(
    images: Sequence[PreparedImage],
    omissions: Sequence[Omission],
    parts: Sequence[RecordPart],
    canvas: Size,
    recipe: Recipe,
) -> Verdict:
    """Gives the data set its final names, or only `rejected.jsonl` where the verdict is against it.

    Raises:
        RunFailed: something cannot be written, or another run has taken the output over.
    """
    verdict = judge(images, omissions, recipe)
    with storage.about_output(recipe.output_root):
        if verdict.reason:
            locking.check(recipe.output_root, recipe.lock)
            storage.write(recipe.staged(VERDICT_FILE), json.dumps(asdict(verdict)).encode())
            storage.write(refused_omissions_file(recipe), _omission_lines(omissions))
        elif not _is_published(images, recipe):
            log = publication.begun(recipe.output_root, recipe.staging)
            if log is None:
                log = _stage(images, omissions, verdict, parts, canvas, recipe)
                locking.check(recipe.output_root, recipe.lock)
                log.begin()
            log.finish()
            storage.delete_folder(recipe.staging_root)
    return verdict


def refused_omissions_file(recipe: Recipe) -> str:
    """Where the list of omissions goes when nothing else is published: not over that of a data set which stands."""
    stands = publication.read_manifest(recipe.output_root) is not None
    return (recipe.staged if stands else recipe.final)(schema.OMISSIONS_FILE)


def _is_published(images: Sequence[PreparedImage], recipe: Recipe) -> bool:
    """Whether this step was done already: a runner may repeat it where its answer was lost."""
    if storage.exists(recipe.staged(images[0].staged)):
        return False
    manifest = publication.read_manifest(recipe.output_root)
    return manifest is not None and manifest["fingerprint"] == recipe.fingerprint


def _stage(
    images: Sequence[PreparedImage],
    omissions: Sequence[Omission],
    verdict: Verdict,
    parts: Sequence[RecordPart],
    canvas: Size,
    recipe: Recipe,
) -> Publication:
    """Stages all that the data set consists of, and says what is to become of it."""
    files = {image.file: {"bytes": image.png_bytes, "sha256": image.png_sha256} for image in images}
    files |= _join_parts(parts, recipe)
    for name, data in (
        (schema.OMISSIONS_FILE, _omission_lines(omissions)),
        (schema.DATASET_FILE, _dataset_table(images)),
    ):
        storage.write(recipe.staged(name), data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = _manifest(images, verdict, files, canvas, recipe)
    storage.write(recipe.staged(schema.MANIFEST_FILE), json.dumps(manifest, indent=1, sort_keys=True).encode())
    staged = {image.file: image.staged for image in images}
    moves = [(staged.get(file, file), file) for file in (*sorted(files), schema.MANIFEST_FILE)]
    replaced = publication.standing(recipe.output_root)
    return Publication(recipe.output_root, recipe.staging, tuple(moves), tuple(replaced))


def read_refusal(recipe: Recipe) -> Verdict | None:
    """The verdict of a job that published nothing; None where it published."""
    path = recipe.staged(VERDICT_FILE)
    return Verdict(**json.loads(storage.read(path))) if storage.exists(path) else None


def count_staged(recipe: Recipe) -> int:
    """How many images are prepared so far, for a progress line."""
    return sum(path.endswith(".png") for path in storage.list_files(recipe.staged(IMAGES_FOLDER)))


def in_record_order(images: Iterable[PreparedImage], split: str) -> list[PreparedImage]:
    chosen = (image for image in images if image.film.split == split)
    return sorted(chosen, key=lambda image: schema.record_order(image.film.case))


def _join_parts(parts: Iterable[RecordPart], recipe: Recipe) -> dict[str, dict]:
    """Joins the parts of each shard into a staged TFRecord file; file -> its bytes and SHA-256."""
    paths = {(part.split, part.shard, part.index): part.path for part in parts}
    files = {}
    for split in schema.SPLITS:
        for shard in range(recipe.shards):
            file = schema.record_file(split, shard, recipe.shards)
            digest, size = hashlib.sha256(), 0
            with storage.open_for_writing(recipe.staged(file)) as joined:
                for index in range(recipe.parts):
                    with storage.open_for_reading(paths[split, shard, index]) as part:
                        while data := part.read(_COPY_BYTES):
                            joined.write(data)
                            digest.update(data)
                            size += len(data)
            files[file] = {"bytes": size, "sha256": digest.hexdigest()}
    return files


def _dataset_table(images: Iterable[PreparedImage]) -> bytes:
    """`dataset.csv`: a row an image, the training set before the test set, each in record order."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(schema.DATASET_COLUMNS)
    images = list(images)
    for split in schema.SPLITS:
        for image in in_record_order(images, split):
            film = image.film
            source = f"./{film.file}" if film.file[0] in _FORMULA else film.file
            table.writerow((film.name, split, film.density, film.patient, film.side, film.view, source, image.height,
                            image.width))  # fmt: skip
    return text.getvalue().encode()


def _omission_lines(omissions: Iterable[Omission]) -> bytes:
    return "".join(json.dumps(asdict(omission)) + "\n" for omission in sorted(omissions)).encode()


def _manifest(
    images: Sequence[PreparedImage], verdict: Verdict, files: dict[str, dict], canvas: Size, recipe: Recipe
) -> dict:
    counted = collections.Counter((image.film.split, image.film.density) for image in images)
    return {
        "format": schema.FORMAT,
        "fingerprint": recipe.fingerprint,
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "parameters": dict(recipe.parameters),
        "canvas": {"height": canvas[0], "width": canvas[1]},
        "mammograms": {
            "named": recipe.named,
            "matched": recipe.matched,
            "spare_files": recipe.spare,
            "rejected": verdict.rejected,
            "excluded": verdict.excluded,
            "prepared": verdict.prepared,
        },
        "counts": {
            split: {str(density): counted[split, density] for density in schema.DENSITIES} for split in schema.SPLITS
        },
        "files": files,
    }
