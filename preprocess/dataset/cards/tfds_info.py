"""The files with which TensorFlow Datasets reads the TFRecords: `tfds.builder_from_directory("OUT/cache")`.

dataset_info.json    the splits with their files, and the citation: the JSON form of the message DatasetInfo in
                     tensorflow_datasets/core/proto/dataset_info.proto
features.json        the features of a record: the message Feature in feature.proto
label.labels.txt     the density category of each label, one a line
"""

import json
from collections.abc import Sequence

from preprocess.contract import schema
from preprocess.dataset.cards.source import source_of
from preprocess.dataset.recipe import Recipe
from preprocess.dataset.record_parts import RecordFile

_FRAME_BYTES = 16  # of a record: its length, and the checksums of length and data
_FEATURES = "tensorflow_datasets.core.features"


def tfds_files(records: Sequence[RecordFile], recipe: Recipe) -> dict[str, bytes]:
    """Returns the three files.

    Args:
        records: all TFRecord files, those of a split in the order of their shards.
    """
    categories = "".join(f"{density}\n" for density in schema.DENSITIES)
    contents = (_dataset_info(records, recipe), _features(recipe), categories.encode())
    return dict(zip(schema.TFDS_FILES, contents, strict=True))


def _dataset_info(records: Sequence[RecordFile], recipe: Recipe) -> bytes:
    source = source_of(recipe)
    info: dict[str, object] = {
        "name": source.identifier,
        "version": f"{schema.FORMAT}.0.0",
        "description": f"{source.title}. {source.licence} The labels 0 to 3 are the BI-RADS categories 1 to 4; pixels "
        f"are whole numbers from 0 to {schema.PIXEL_MAX}, as float32.",
        "fileFormat": "tfrecord",
        "supervisedKeys": {
            "tuple": {"items": [{"featureKey": schema.FEATURE_IMAGE}, {"featureKey": schema.FEATURE_LABEL}]}
        },
        "splits": _splits(records),
    }
    if source.bibtex:
        info |= {"citation": source.bibtex, "location": {"urls": [source.url]}}
        info["redistributionInfo"] = {"license": source.licence_url}
    return _json(info)


def _splits(records: Sequence[RecordFile]) -> list[dict[str, object]]:
    """Returns the entries of the splits that contain images: the tool reads no empty split.

    As in all JSON forms of messages, numbers of 64 bits are strings. `numBytes` counts the serialized examples.
    """
    entries: list[dict[str, object]] = []
    for split in schema.SPLITS:
        files = [record for record in records if record.split == split]
        stem = schema.RECORD_STEMS[split].rpartition("/")[2]
        if images := sum(file.images for file in files):
            entries.append({
                "name": split,
                "filepathTemplate": f"{stem}.tfrecords" if len(files) == 1 else f"{stem}-{{SHARD_X_OF_Y}}.tfrecords",
                "shardLengths": [str(file.images) for file in files],
                "numBytes": str(sum(file.bytes for file in files) - _FRAME_BYTES * images),
            })  # fmt: skip
    return entries


def _features(recipe: Recipe) -> bytes:
    features = {
        schema.FEATURE_IMAGE: _tensor("tensor_feature.Tensor", "float32", "bytes", recipe.parameters.size),
        schema.FEATURE_LABEL: {
            "pythonClassName": f"{_FEATURES}.class_label_feature.ClassLabel",
            "classLabel": {"numClasses": str(len(schema.DENSITIES))},
        },
        schema.FEATURE_NAME: {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}},
        schema.FEATURE_HEIGHT: _tensor("scalar.Scalar", "int64", "none"),
        schema.FEATURE_WIDTH: _tensor("scalar.Scalar", "int64", "none"),
    }
    return _json({"pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict", "featuresDict": {"features": features}})


def _tensor(kind: str, dtype: str, encoding: str, shape: tuple[int, ...] = ()) -> dict[str, object]:
    dimensions = {"dimensions": [str(length) for length in shape]} if shape else {}
    return {
        "pythonClassName": f"{_FEATURES}.{kind}",
        "tensor": {"dtype": dtype, "encoding": encoding, "shape": dimensions},
    }


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()
