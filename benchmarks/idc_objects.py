"""The objects of the bucket `idc-open-data`, with the metadata and the listing of the JSON API of Google Cloud Storage.

The checksum of a film takes some milliseconds. It is computed when a request first asks for it, and then kept.
"""

import bisect
import re

from benchmarks.idc_films import Film, read_films

BUCKET = "idc-open-data"
_PAGE = 1000
_TIME = "2023-09-01T00:00:00.000Z"


class Objects:
    """The objects of all films of the catalogue.

    Attributes:
        films: name of an object -> film.
    """

    def __init__(self) -> None:
        self.films = {film.name: film for film in read_films().values()}
        self._names = sorted(self.films)

    def listing(self, query: dict[str, str]) -> dict:
        """Returns one page of a listing: objects whose names begin with a prefix, and folders if there is a delimiter.

        Args:
            query: `prefix`, `delimiter`, `maxResults`, `pageToken` and `fields` of a request.
        """
        prefix, delimiter, token = (query.get(name, "") for name in ("prefix", "delimiter", "pageToken"))
        names, page = self._names, min(_PAGE, int(query.get("maxResults", _PAGE)))
        items: list[dict] = []
        folders: list[str] = []
        position = bisect.bisect_right(names, token) if token else bisect.bisect_left(names, prefix)
        while position < len(names) and names[position].startswith(prefix) and len(items) + len(folders) < page:
            name = names[position]
            head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if found:
                folders.append(prefix + head + delimiter)
                position = bisect.bisect_left(names, folders[-1] + "\U0010ffff")
            else:
                items.append(metadata(self.films[name], query.get("fields", "")))
                position += 1
        more = position < len(names) and names[position].startswith(prefix)
        token = names[position - 1] if more else ""
        content = {"kind": "storage#objects", "items": items, "prefixes": folders, "nextPageToken": token}
        return {key: value for key, value in content.items() if value}


def metadata(film: Film, fields: str) -> dict[str, str]:
    """Returns the metadata of an object.

    Args:
        fields: those that a request names, as `name,size` or `items(name,size),nextPageToken`; empty for all.
    """
    generation = str(film.generation)
    values = {
        "kind": "storage#object", "id": f"{BUCKET}/{film.name}/{generation}", "name": film.name, "bucket": BUCKET,
        "generation": generation, "metageneration": "1", "contentType": "application/dicom",
        "storageClass": "STANDARD", "size": str(film.byte_count), "timeCreated": _TIME, "updated": _TIME,
    }  # fmt: skip
    named = set(re.findall(r"\w+", fields)) - {"kind", "items", "prefixes", "nextPageToken"}
    if not named or "crc32c" in named:
        values["crc32c"] = film.crc32c
    return {key: value for key, value in values.items() if not named or key in named}
