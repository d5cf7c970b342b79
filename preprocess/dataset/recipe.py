"""The settings of a run that its Beam workers need, and the types of the elements that the stages exchange."""

import hashlib
from dataclasses import dataclass, field

from preprocess.cases.plan import Film, Selection, Totals
from preprocess.contract import schema
from preprocess.contract.schema import Omission, Size
from preprocess.dataset.plan_files import PlanFiles
from preprocess.files import storage

IMAGES_FOLDER = "images"
"""Folder of the staged PNGs, below the staging folder."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The options that decide what a data set contains. The manifest and the fingerprint contain them.

    Attributes:
        image_height, image_width: of the images, in pixels.
        canvas: "auto" (the largest height and width of all films) or "<width>x<height>", in pixels.
        resample: "area" or "nearest", see `preprocess.images.resize`.
        max_pixels: the largest number of pixels that a film may have.
        views, patient_overlap, train_per_category, test_count: see `Selection`.
        tfrecord_shards: number of TFRecord files of each split; None for one file for each 10,000 images.
    """

    image_height: int
    image_width: int
    canvas: str
    resample: str
    max_pixels: int
    views: tuple[str, ...]
    tfrecord_shards: int | None
    patient_overlap: str
    train_per_category: int | None
    test_count: int | None

    @property
    def size(self) -> Size:
        """(height, width) of the images, in pixels."""
        return self.image_height, self.image_width

    @property
    def selection(self) -> Selection:
        return Selection(self.views, self.patient_overlap, self.train_per_category, self.test_count)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one data set is made.

    Attributes:
        input_root, output_root: folders or gs:// prefixes; local ones are absolute paths.
        fingerprint: SHA-256 of the plan and the parameters, see `Plan.fingerprint`.
        totals: counts of the plan, for the manifest.
        max_rejected: the largest share of rejected mammograms with which a data set is published.
        parts: number of parts of a shard that workers write in parallel, see `record_parts`; the output bytes do not
            depend on it.
        attribution: of the films, for the manifest; empty if their source is not known.
        lock_token: identifies this run's lock on the output root, see `preprocess.files.lock`; `WITHOUT_LOCK` for a
            job from a template.
        published_canvas: canvas of the data set to be replaced, whose images may be used again; None if there is none.
        plan: the files in which the films are listed; an empty `PlanFiles` until they are written.
    """

    input_root: str
    output_root: str
    parameters: Parameters
    fingerprint: str
    totals: Totals
    max_rejected: float
    parts: int
    attribution: str = ""
    lock_token: str = ""
    published_canvas: Size | None = None
    plan: PlanFiles = field(default_factory=PlanFiles)

    @property
    def staging_root(self) -> str:
        return storage.join(self.output_root, schema.STAGING_FOLDER)

    @property
    def staging(self) -> str:
        """The folder in which all files of this data set are written before they are published."""
        return storage.join(self.staging_root, self.fingerprint[:16])

    def source(self, film: Film) -> str:
        return storage.join(self.input_root, film.file)

    def staged(self, file: str) -> str:
        """The full path of a file below the staging folder."""
        return storage.join(self.staging, file)

    def final(self, file: str) -> str:
        """The full path of a file below the output root."""
        return storage.join(self.output_root, file)

    def staged_image(self, measured: "MeasuredFilm", canvas: Size) -> str:
        """The path of a film's PNG, below the staging folder.

        The name contains a digest of the inputs that the fingerprint does not cover (file version, film size, canvas).
        A staged file of this name was therefore made from the same inputs and can be reused.
        """
        parameters = self.parameters
        inputs = (measured.version, measured.height, measured.width, canvas, parameters.size, parameters.resample)
        digest = hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]
        return f"{IMAGES_FOLDER}/{measured.film.split}/{measured.film.image_name}.{digest}.png"


@dataclass(frozen=True, slots=True)
class MeasuredFilm:
    """A film whose header was read.

    Attributes:
        height, width: of the film, in pixels.
        version: of the file, see `storage.version`.
        is_native: whether the pixel data are uncompressed DICOM, which need no decoder.
    """

    film: Film
    height: int
    width: int
    version: str
    is_native: bool


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image whose PNG is staged.

    Attributes:
        height, width: of the film, in pixels.
        staged: path of the PNG below the staging folder.
        png_bytes, png_sha256: size and checksum of the PNG file.
    """

    film: Film
    height: int
    width: int
    staged: str
    png_bytes: int
    png_sha256: str

    @property
    def file(self) -> str:
        """The path of the published PNG below the output root."""
        return self.film.image_file


@dataclass(frozen=True, slots=True)
class MeasuredBatch:
    """The films of a `FilmBatch`: those whose headers were read, and those that are left out.

    Attributes:
        piece: name of the piece of the plan.
    """

    piece: str
    films: tuple[MeasuredFilm, ...]
    omissions: tuple[Omission, ...]


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """The images of a `FilmBatch`, and the films that are left out.

    Attributes:
        piece: name of the piece of the plan.
    """

    piece: str
    images: tuple[PreparedImage, ...]
    omissions: tuple[Omission, ...]
