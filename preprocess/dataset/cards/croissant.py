"""`croissant.json`: a description that programs read, in the format Croissant 1.0 of MLCommons (JSON-LD).

https://docs.mlcommons.org/croissant/docs/croissant-spec.html

It lists the tables and TFRecords with their SHA-256, and two record sets: `table`, the rows of `dataset.csv`, and
`images`, the paths of the PNGs with their rows. The PNGs are one file set, which has no checksums in this format; their
pixels are also in the TFRecords, and `manifest.json` has the checksum of every file.

`images` has paths and not the images themselves, because mlcroissant 1.1 converts every PNG to 8 bits by clipping,
which would make most pixels white. There is no `datePublished`: the same films give the same file on any day.
"""

import json
from collections.abc import Mapping

from preprocess.contract import schema
from preprocess.dataset.cards.source import source_of
from preprocess.dataset.recipe import Recipe

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {
    name: f"cr:{name}"
    for name in (
        "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet", "format",
        "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references",
        "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
    )
}  # fmt: skip
"""The context that the specification gives, in its appendix."""

_FORMATS = {
    ".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonlines", ".md": "text/markdown",
    ".txt": "text/plain", ".tfrecords": "application/x-tfrecord",
}  # fmt: skip
_COLUMNS = {
    "name": "of the image: <density>_<mammogram ID>",
    "split": "train or test",
    "density": "BI-RADS density category, 1 to 4; the label in the TFRecords is one less",
    "patient": "patient ID",
    "side": "LEFT or RIGHT",
    "view": "CC or MLO",
    "source_file": "path of the film below the input folder",
    "source_height": "of the film, in pixels",
    "source_width": "of the film, in pixels",
}
_NUMBERS = ("density", "source_height", "source_width")
_STEM = r"^(.+?)(?:\.png)?$"
"""Its group is the name of a file without `.png`. The ending is optional, because mlcroissant applies the expression
twice to the name on which it joins."""
_TABLE, _IMAGES, _PNGS = "table", "images", "pngs"


def croissant_file(files: Mapping[str, Mapping], recipe: Recipe) -> bytes:
    """Returns `croissant.json`.

    Args:
        files: path of each other file below the output root -> its `bytes` and `sha256`.
    """
    source = source_of(recipe)
    content: dict[str, object] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": source.identifier,
        "description": f"{source.title}: 16-bit grayscale PNGs of {recipe.parameters.image_width} x "
        f"{recipe.parameters.image_height} pixels, the same images as TFRecords, and a table. {source.licence} "
        f"{schema.CARD_FILE} says how it was made; {schema.MANIFEST_FILE} has the SHA-256 of every file.",
        "license": source.licence_url or source.licence,
        "version": f"{schema.FORMAT}.0.0+{recipe.fingerprint[:12]}",
        "keywords": ["mammography", "breast density", "BI-RADS"],
        "distribution": [_pngs(), *(_file(file, files[file]) for file in sorted(files) if not file.endswith(".png"))],
        "recordSet": [_table(), _images()],
    }
    if source.bibtex:
        content |= {"citeAs": source.bibtex, "isBasedOn": source.url}
    return json.dumps(content, indent=1, sort_keys=True).encode()


def _file(file: str, entry: Mapping) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": file,
        "name": file,
        "contentUrl": file,
        "contentSize": f"{entry['bytes']} B",
        "encodingFormat": _FORMATS[file[file.rindex(".") :]],
        "sha256": entry["sha256"],
    }


def _pngs() -> dict[str, object]:
    return {
        "@type": "cr:FileSet",
        "@id": _PNGS,
        "name": _PNGS,
        "description": "16-bit grayscale images, named <density>_<mammogram ID>.png",
        "encodingFormat": "image/png",
        "includes": [f"{folder}/*.png" for folder in schema.IMAGE_FOLDERS.values()],
    }


def _table() -> dict[str, object]:
    return {
        "@type": "cr:RecordSet",
        "@id": _TABLE,
        "name": _TABLE,
        "description": "one row for each image",
        "key": {"@id": f"{_TABLE}/name"},
        "field": [_column(_TABLE, name) for name in schema.DATASET_COLUMNS],
    }


def _images() -> dict[str, object]:
    """Returns the record set of the images, joined with the table by the name of the file."""
    name = _field(_IMAGES, "name", _COLUMNS["name"], "sc:Text")
    name["source"] = {
        "fileSet": {"@id": _PNGS}, "extract": {"fileProperty": "filename"}, "transform": {"regex": _STEM},
    }  # fmt: skip
    name["references"] = _in_table("name")
    file = _field(_IMAGES, "file", "path of the 16-bit grayscale PNG, below the folder of this file", "sc:Text")
    file["source"] = {"fileSet": {"@id": _PNGS}, "extract": {"fileProperty": "fullpath"}}
    return {
        "@type": "cr:RecordSet",
        "@id": _IMAGES,
        "name": _IMAGES,
        "description": "the paths of the images with their rows",
        "field": [file, name, *(_column(_IMAGES, column) for column in schema.DATASET_COLUMNS if column != "name")],
    }


def _column(record_set: str, name: str) -> dict[str, object]:
    """Returns a field of a record set that is a column of `dataset.csv`."""
    field = _field(record_set, name, _COLUMNS[name], "sc:Integer" if name in _NUMBERS else "sc:Text")
    return field | {"source": _in_table(name)}


def _in_table(column: str) -> dict[str, object]:
    return {"fileObject": {"@id": schema.DATASET_FILE}, "extract": {"column": column}}


def _field(record_set: str, name: str, description: str, kind: str) -> dict[str, object]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
    }
