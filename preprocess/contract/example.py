"""Encodes and decodes records: (H, W) uint16 pixels with a name and a label <-> serialized tf.train.Example.

The message type is declared here, with the fields of `tensorflow/core/example/{feature,example}.proto`, because
TensorFlow would cost a worker 500 MB and four seconds.
"""

import functools
from dataclasses import dataclass

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from preprocess.contract import schema

_FIELD = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True)
class LabelledImage:
    """The content of one record.

    Attributes:
        name: see `schema.image_name`; empty for a record without a name.
        label: 0 to 3, see `schema.label_of`.
        pixels: (H, W) uint16.
    """

    name: str
    label: int
    pixels: np.ndarray


def encode_example(image: LabelledImage) -> bytes:
    """Serializes an image as a tf.train.Example; the pixels as raw little-endian float32, row-major and unscaled."""
    example = _example_class()()
    feature = example.features.feature
    feature[schema.FEATURE_IMAGE].bytes_list.value.append(image.pixels.astype("<f4").tobytes())
    feature[schema.FEATURE_LABEL].int64_list.value.append(image.label)
    feature[schema.FEATURE_NAME].bytes_list.value.append(image.name.encode())
    feature[schema.FEATURE_HEIGHT].int64_list.value.append(image.pixels.shape[0])
    feature[schema.FEATURE_WIDTH].int64_list.value.append(image.pixels.shape[1])
    return example.SerializeToString(deterministic=True)


def decode_example(data: bytes, size: tuple[int, int] | None = None) -> LabelledImage:
    """Reads an image from a serialized tf.train.Example; the inverse of `encode_example`.

    Args:
        size: (height, width) in pixels, for an example without the features `height` and `width`. Examples of 2018
            contain `image` and `label` only.

    Raises:
        ValueError: a feature is missing, the image does not have height x width float32 pixels, or a pixel is not a
            whole number from 0 to 65535.
        google.protobuf.message.DecodeError: not a tf.train.Example.
    """
    feature = _example_class().FromString(data).features.feature
    label = feature[schema.FEATURE_LABEL].int64_list.value
    image = feature[schema.FEATURE_IMAGE].bytes_list.value
    if len(label) != 1 or len(image) != 1:
        raise ValueError(
            f"no {schema.FEATURE_LABEL!r} or no {schema.FEATURE_IMAGE!r}; expected a tf.train.Example with one of each"
        )
    height, width = _size_of(feature) or size or (0, 0)
    if len(image[0]) != 4 * height * width:
        raise ValueError(f"{len(image[0]):,} bytes of pixels; expected {width} x {height} float32")
    values = np.frombuffer(image[0], "<f4").reshape(height, width)
    with np.errstate(invalid="ignore"):
        pixels = values.astype(np.uint16)
    if not np.array_equal(pixels, values):
        raise ValueError(
            f"pixels that are not whole numbers from 0 to {schema.PIXEL_MAX}; expected unscaled 16-bit values"
        )
    names = feature[schema.FEATURE_NAME].bytes_list.value
    return LabelledImage(names[0].decode(errors="replace") if names else "", label[0], pixels)


def _size_of(feature) -> tuple[int, int] | None:
    """Returns the (height, width) in the features of an example; None if one of them is missing."""
    height, width = (feature[name].int64_list.value for name in (schema.FEATURE_HEIGHT, schema.FEATURE_WIDTH))
    return (height[0], width[0]) if height and width else None


@functools.cache
def _example_class():
    """Builds the message class tf.train.Example.

    Its descriptor pool is separate from the default pool, in which TensorFlow registers a message of the same name.
    """
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")
    for name in ("bytes", "float", "int64"):
        kind = file.message_type.add(name=f"{name.title()}List")
        kind.field.add(
            name="value", number=1, label=_FIELD.LABEL_REPEATED, type=getattr(_FIELD, f"TYPE_{name.upper()}")
        )
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes", "float", "int64"), 1):
        _add_message(feature, f"{name}_list", number, f"{name.title()}List", oneof_index=0)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING)
    _add_message(entry, "value", 2, "Feature")
    _add_message(features, "feature", 1, "Features.FeatureEntry", label=_FIELD.LABEL_REPEATED)
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


def _add_message(owner, name: str, number: int, kind: str, label: int = _FIELD.LABEL_OPTIONAL, **options) -> None:
    """Adds a field to a message type, whose values are messages of another type, `kind`."""
    owner.field.add(
        name=name, number=number, label=label, type=_FIELD.TYPE_MESSAGE, type_name=f".tensorflow.{kind}", **options
    )
