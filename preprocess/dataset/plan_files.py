"""The plan of a run as files, in pieces: the job reads them, so that its graph contains no films.

    <folder>/train-00000, test-00000, …    films of a split in record order, 500 a file, a JSON array a line
    <folder>/omissions-00000, …            what is left out before any film is opened, sorted, 1,000 a file

A piece keeps its name through the job: the name of the file in which the images of its films are listed begins with it,
see `piece_results`.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from preprocess.cases.locate import FilmFile
from preprocess.cases.plan import Film, Plan
from preprocess.contract import schema
from preprocess.contract.schema import Omission
from preprocess.files import storage
from preprocess.runtime.errors import RunFailed

PIECE_FILMS, PIECE_OMISSIONS = 500, 1000
BATCH_FILMS, BATCH_BYTES = 32, 4 << 20
"""The most films in a `FilmBatch`, and the most bytes of their files. A film of more bytes is a batch of its own."""


@dataclass(frozen=True, slots=True)
class PlanFiles:
    """Where the plan of a run is.

    Attributes:
        folder: contains the files.
        train, test: number of pieces with films of the split.
        rejected, excluded: number of mammograms that are left out before any film is opened.
    """

    folder: str = ""
    train: int = 0
    test: int = 0
    rejected: int = 0
    excluded: int = 0

    @property
    def pieces(self) -> list[str]:
        """The names of the pieces with films: the training set before the test set, each in record order."""
        counts = {schema.TRAIN: self.train, schema.TEST: self.test}
        return [f"{split}-{number:05d}" for split in schema.SPLITS for number in range(counts[split])]

    @property
    def film_paths(self) -> list[str]:
        return [storage.join(self.folder, piece) for piece in self.pieces]

    def read_omissions(self) -> Iterator[Omission]:
        """Yields what is left out before any film is opened, sorted."""
        for number in range(-(-(self.rejected + self.excluded) // PIECE_OMISSIONS)):
            for values in read_lines(storage.join(self.folder, f"omissions-{number:05d}")):
                yield Omission(*values)


@dataclass(frozen=True, slots=True)
class FilmBatch:
    """Films of one piece of the plan, which are one element of the job.

    Attributes:
        piece: name of the piece.
    """

    piece: str
    films: tuple[Film, ...]


def write_plan(plan: Plan, folder: str) -> PlanFiles:
    """Writes the films and the omissions of a plan into a folder. Files of these names are replaced."""
    counts = dict.fromkeys(schema.SPLITS, 0)
    for split in schema.SPLITS:
        films = sorted((f for f in plan.films if f.split == split), key=lambda f: schema.record_order(f.mammogram_id))
        for number, piece in enumerate(in_pieces(films, PIECE_FILMS)):
            storage.write(storage.join(folder, f"{split}-{number:05d}"), encode_lines(map(film_values, piece)))
            counts[split] = number + 1
    for number, omitted in enumerate(in_pieces(plan.omissions, PIECE_OMISSIONS)):
        lines = ((o.mammogram_id, o.split, o.source, o.kind, o.stage, o.reason) for o in omitted)
        storage.write(storage.join(folder, f"omissions-{number:05d}"), encode_lines(lines))
    rejected = sum(omission.kind == schema.REJECTED for omission in plan.omissions)
    return PlanFiles(folder, **counts, rejected=rejected, excluded=len(plan.omissions) - rejected)


def read_batches(path: str) -> Iterator[FilmBatch]:
    """Yields the films of a piece in batches: up to 32 films whose files together have up to 4 MiB, or one film.

    Raises:
        OSError: the file cannot be read.
    """
    piece = path.rpartition("/")[2]
    batch: list[Film] = []
    size = 0
    for film in map(film_of, read_lines(path)):
        film_bytes = sum(file.bytes for file in film.files)
        if batch and (len(batch) == BATCH_FILMS or size + film_bytes > BATCH_BYTES):
            yield FilmBatch(piece, tuple(batch))
            batch, size = [], 0
        batch.append(film)
        size += film_bytes
    if batch:
        yield FilmBatch(piece, tuple(batch))


def film_values(film: Film) -> list[Any]:
    """Returns the values of a film for a line of JSON; the inverse of `film_of`."""
    files = [(file.kind, file.path, file.bytes, file.version) for file in film.files]
    return [film.mammogram_id, film.split, film.density, film.patient, film.side, film.view, files, film.published]


def film_of(values: Sequence[Any]) -> Film:
    """Returns the film that `film_values` has described."""
    mammogram_id, split, density, patient, side, view, files, published = values
    found = tuple(FilmFile(*file) for file in files)
    return Film(mammogram_id, split, density, patient, side, view, found, published)


def encode_lines(lines: Iterable[Any]) -> bytes:
    """Returns values as lines of JSON; the inverse of `read_lines`."""
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def read_lines(path: str) -> Iterator[Any]:
    """Yields the values in lines of JSON.

    Raises:
        OSError: the file cannot be read.
        RunFailed: a line is damaged.
    """
    for number, line in enumerate(storage.read(path).splitlines(), 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise RunFailed(
                f"{path}: line {number} is damaged; delete the {schema.STAGING_FOLDER} folder of the output and run "
                f"the command again"
            ) from error


def in_pieces(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yields lists of up to `size` items, in order."""
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece
