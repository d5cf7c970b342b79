"""How a data set is made: everything about a run that its workers need to know."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from preprocess import schema, storage
from preprocess.plan import Film
from preprocess.resize import Size

IMAGES_FOLDER = "images"
"""Below the staging folder."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Attributes:
    input_root, output_root: folders, local ones absolute.
    size: (height, width) of the images.
    method: "area" or "nearest".
    shards: TFRecord files a split.
    parts: pieces of a shard that workers write side by side; the bytes do not depend on it.
    max_rejected: the largest tolerated share of rejected among named mammograms.
    named, matched, spare: counts of the plan, see `Plan`.
    parameters: what the manifest says of the options.
    fingerprint: of the plan and the parameters, see `Plan.fingerprint`.
    max_pixels: how many a film may have.
    lock: by which the run holds the output root, see `locking.locked`.
    """

    input_root: str
    output_root: str
    size: Size
    method: str
    shards: int
    parts: int
    max_rejected: float
    named: int
    matched: int
    spare: int
    parameters: Mapping[str, object]
    fingerprint: str
    max_pixels: int
    lock: str = ""

    @property
    def staging_root(self) -> str:
        return storage.join(self.output_root, schema.STAGING_FOLDER)

    @property
    def staging(self) -> str:
        """Where everything of this data set is written before it is published under its final name."""
        return storage.join(self.staging_root, self.fingerprint[:16])

    def source(self, film: Film) -> str:
        return storage.join(self.input_root, film.file)

    def staged(self, file: str) -> str:
        return storage.join(self.staging, file)

    def final(self, file: str) -> str:
        return storage.join(self.output_root, file)

    def staged_image(self, measured: "MeasuredFilm", canvas: Size) -> str:
        """Where the image of a film is staged, below the staging folder. Its name has a digest of all that it is made
        from and that the fingerprint does not know, so that an image that is there is the right one.
        """
        made_from = repr((measured.version, measured.height, measured.width, canvas, self.size, self.method))
        digest = hashlib.sha256(made_from.encode()).hexdigest()[:16]
        return f"{IMAGES_FOLDER}/{measured.film.split}/{measured.film.name}.{digest}.png"


@dataclass(frozen=True, slots=True)
class MeasuredFilm:
    """A film whose header was read.

    Attributes:
        height, width: in pixels.
        version: of the file, see `storage.version`.
    """

    film: Film
    height: int
    width: int
    version: str


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image of the set: its PNG is staged. About 400 bytes.

    Attributes:
        height, width: of the film it was made from, in pixels.
        staged: the PNG, below the staging folder.
        png_bytes, png_sha256: of the PNG file.
    """

    film: Film
    height: int
    width: int
    staged: str
    png_bytes: int
    png_sha256: str

    @property
    def file(self) -> str:
        """The PNG's path below the output root."""
        return schema.image_file(self.film.split, self.film.density, self.film.case)


@dataclass(frozen=True, slots=True)
class RecordPart:
    """A run of images, in record order, that one worker writes into one temporary file.

    `images` are followed by `path` once it is written: the temporary file's name.
    """

    split: str
    shard: int
    index: int
    images: tuple[PreparedImage, ...]
    path: str = ""
