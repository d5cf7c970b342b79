"""What became of the films of each piece of the plan: files in the staging folder, which later stages read in order.

    prepared/train-00000.<digest>, …    the images in record order, a JSON array a line, then the omissions, a JSON
                                        object a line; the digest is that of the content

The pieces follow each other in record order. So the images of a data set are read one after the other, and no process
needs to hold all of them.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from preprocess.contract import schema
from preprocess.contract.schema import Omission
from preprocess.dataset.plan_files import encode_lines, film_of, film_values, read_lines
from preprocess.dataset.recipe import PreparedBatch, PreparedImage, Recipe
from preprocess.files import storage


@dataclass(frozen=True, slots=True, order=True)
class PieceResult:
    """How many films of a piece of the plan were prepared.

    Attributes:
        piece: its name.
        images: number of prepared images.
        rejected: number of films that are left out.
        file: the file with the images, below the staging folder. Its content never changes, so a publication that was
            interrupted is not mixed with the images of a later run.
    """

    piece: str
    images: int
    rejected: int
    file: str

    @property
    def split(self) -> str:
        return self.piece.partition("-")[0]


def write_result(piece_and_batches: tuple[str, Iterable[PreparedBatch]], recipe: Recipe) -> PieceResult:
    """Writes the file of a piece. A repeated call writes the same bytes to the same path.

    Raises:
        RunFailed: the file cannot be written.
    """
    piece, batches = piece_and_batches
    images: list[PreparedImage] = []
    omissions: list[Omission] = []
    for batch in batches:
        images += batch.images
        omissions += batch.omissions
    images.sort(key=lambda image: schema.record_order(image.film.mammogram_id))
    data = encode_lines([*map(_values, images), *(omission.as_json() for omission in sorted(omissions))])
    file = f"prepared/{piece}.{hashlib.sha256(data).hexdigest()[:16]}"
    with storage.output_errors(recipe.output_root):
        storage.write(recipe.staged(file), data)
    return PieceResult(piece, len(images), len(omissions), file)


def in_order(results: Iterable[PieceResult], recipe: Recipe) -> list[PieceResult]:
    """Returns the results of all pieces, the training set before the test set, each in record order."""
    of_piece = {result.piece: result for result in results}
    return [of_piece[piece] for piece in recipe.plan.pieces]


class StoredImages(Collection[PreparedImage]):
    """The images of pieces, read from their files each time they are iterated over.

    Args:
        results: in the order in which the images are read.
    """

    def __init__(self, results: Sequence[PieceResult], recipe: Recipe):
        self._results, self._recipe = results, recipe

    def __len__(self) -> int:
        return sum(result.images for result in self._results)

    def __iter__(self) -> Iterator[PreparedImage]:
        def read(result: PieceResult) -> list[PreparedImage]:
            lines = islice(read_lines(self._recipe.staged(result.file)), result.images)
            return [_image(values) for values in lines]

        for images in storage.map_items(read, self._results, storage.is_local(self._recipe.output_root)):
            yield from images

    def __contains__(self, image: object) -> bool:
        return any(image == other for other in self)


def read_images(file: str, first: int, last: int, recipe: Recipe) -> Iterator[PreparedImage]:
    """Yields the images first to last - 1 of a piece.

    Args:
        file: of its images, see `PieceResult`.
    """
    return map(_image, islice(read_lines(recipe.staged(file)), first, last))


def read_omissions(results: Iterable[PieceResult], recipe: Recipe) -> Iterator[Omission]:
    """Yields the films of pieces that are left out."""
    for result in results:
        if result.rejected:
            lines = read_lines(recipe.staged(result.file))
            yield from map(Omission.from_json, islice(lines, result.images, None))


def read_moves(path: str) -> Iterator[tuple[str, str]]:
    """Yields (path below the staging folder, path below the output root) of the PNGs in the file of a piece.

    Args:
        path: of the file.
    """
    images = (_image(values) for values in read_lines(path) if isinstance(values, list))
    return ((image.staged, image.file) for image in images)


def _values(image: PreparedImage) -> list:
    return [film_values(image.film), image.height, image.width, image.staged, image.png_bytes, image.png_sha256]


def _image(values: list) -> PreparedImage:
    film, *others = values
    return PreparedImage(film_of(film), *others)
