"""One image of the training set as bytes: (H, W) uint16 <-> PNG, and (H, W) uint16 with its label <-> tf.train.Example.

TensorFlow would cost a worker 500 MB and four seconds to say this one message, so that it is declared here, in a
descriptor pool of its own, as `tensorflow/core/example/{feature,example}.proto` declare it.
"""

import functools
from dataclasses import dataclass

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from preprocess.contract import schema

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STORED_BLOCK = 65535
_MAX_PIXELS = 100_000_000
_FIELD = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True)
class LabelledImage:
    """What one record holds: `pixels` is (H, W) uint16, `label` is the density category less one, 0 to 3."""

    name: str
    label: int
    pixels: np.ndarray


def encode_example(image: LabelledImage) -> bytes:
    """A serialized tf.train.Example; the pixels as raw little-endian float32, row-major and unscaled."""
    example = _example_class()()
    feature = example.features.feature
    feature[schema.FEATURE_IMAGE].bytes_list.value.append(image.pixels.astype("<f4").tobytes())
    feature[schema.FEATURE_LABEL].int64_list.value.append(image.label)
    feature[schema.FEATURE_NAME].bytes_list.value.append(image.name.encode())
    feature[schema.FEATURE_HEIGHT].int64_list.value.append(image.pixels.shape[0])
    feature[schema.FEATURE_WIDTH].int64_list.value.append(image.pixels.shape[1])
    return example.SerializeToString(deterministic=True)


def decode_example(data: bytes, size: tuple[int, int] | None = None) -> LabelledImage:
    """The inverse of `encode_example`.

    Args:
        size: (height, width) of an example that does not say it, as those of 2018, which hold `image` and `label` only
            and come out without a name.

    Raises:
        ValueError: a feature is missing, the image has other than height x width float32 pixels, or one of them is no
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
            f"pixels that are no whole numbers from 0 to {schema.PIXEL_MAX}; expected unscaled 16-bit values"
        )
    names = feature[schema.FEATURE_NAME].bytes_list.value
    return LabelledImage(names[0].decode(errors="replace") if names else "", label[0], pixels)


def _size_of(feature) -> tuple[int, int] | None:
    height, width = (feature[name].int64_list.value for name in (schema.FEATURE_HEIGHT, schema.FEATURE_WIDTH))
    return (height[0], width[0]) if height and width else None


@functools.cache
def _example_class():
    """The message class tf.train.Example, from a descriptor pool that TensorFlow's own does not meet."""
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


def _add_message(owner, name: str, number: int, of: str, label: int = _FIELD.LABEL_OPTIONAL, **options) -> None:
    owner.field.add(
        name=name, number=number, label=label, type=_FIELD.TYPE_MESSAGE, type_name=f".tensorflow.{of}", **options
    )
