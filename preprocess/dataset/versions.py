"""`.film_versions.json`: the versions of the film files from which a data set was made.

With it, a later run notices that a film was replaced, also by one of the same size, and prepares only what changed. It
is not part of the data set, because the times in it differ between copies of the same films.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence

from preprocess.cases.plan import Film
from preprocess.contract import schema
from preprocess.dataset.manifest import library_versions
from preprocess.dataset.recipe import Recipe
from preprocess.files import storage

Versions = Mapping[str, list[list[str]]]
"""<split>/<mammogram ID> -> path and version of each of its files."""


def stage_versions(films: Iterable[Film], recipe: Recipe) -> None:
    """Writes the versions of all planned films into the staging folder, one film after the other.

    Args:
        films: sorted.
    """
    with storage.open_for_writing(recipe.staged(schema.VERSIONS_FILE)) as stream:
        before = b"{"
        for film in films:
            entry = json.dumps({_key(film): _files(film)}, indent=1)
            stream.write(before + entry.removeprefix("{").removesuffix("\n}").encode())
            before = b","
        stream.write(b"\n}")


def read_versions(output_root: str) -> Versions | None:
    """Returns the versions from which the published data set was made; None if they are not known."""
    path = storage.join(output_root, schema.VERSIONS_FILE)
    try:
        content = json.loads(storage.read(path)) if storage.exists(path) else None
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def changed_films(films: Iterable[Film], versions: Versions) -> list[Film]:
    """Returns the films whose files are not those of the published data set."""
    return [film for film in films if versions.get(_key(film)) != _files(film)]


def reuse_published(films: Sequence[Film], versions: Versions, manifest: Mapping, recipe: Recipe) -> tuple[Film, ...]:
    """Sets the `published` checksum of unchanged films, so that their published images are used again.

    No image is used again if the options that decide its pixels, or the versions of the libraries, have changed.
    """
    parameters, old = recipe.parameters, manifest["parameters"]
    names = ("image_height", "image_width", "resample", "max_pixels")
    same_options = all(getattr(parameters, name) == old.get(name) for name in names)
    if not same_options or manifest["versions"] != library_versions() or manifest["format"] != schema.FORMAT:
        return tuple(films)
    changed = {_key(film) for film in changed_films(films, versions)}
    return tuple(
        film if _key(film) in changed else dataclasses.replace(film, published=_checksum(film, manifest["files"]))
        for film in films
    )


def _key(film: Film) -> str:
    return f"{film.split}/{film.mammogram_id}"


def _files(film: Film) -> list[list[str]]:
    return [[file.path, file.version] for file in film.files]


def _checksum(film: Film, files: Mapping[str, Mapping]) -> str:
    return files.get(film.image_file, {}).get("sha256", "")
