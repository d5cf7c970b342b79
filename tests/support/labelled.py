"""Small labelled images, written to disk with Pillow and TensorFlow, without the encoders of this project."""

import numpy as np
import tensorflow as tf
from PIL import Image

SIZE = (16, 12)
FLAGS = [
    "--network=tutorial",
    "--image_height=16",
    "--image_width=12",
    "--batch_size=8",
    "--learning_rate=0.01",
    "--precision=float32",
]


def labelled_images(count, seed=0, size=SIZE, split="Training"):
    """Returns names, (N, H, W) uint16 pixels and (N,) labels; brighter images have higher labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    levels = 6000 + 15000 * labels + rng.uniform(-4000, 4000, count)
    pixels = np.clip(levels[:, None, None] + rng.normal(0, 3000, (count, *size)), 0, 65535).astype(np.uint16)
    names = [f"{label + 1}_Calc-{split}_P_{100 * seed + n // 2:05d}_LEFT_{'CC' if n % 2 else 'MLO'}"
             for n, label in enumerate(labels)]  # fmt: skip
    return names, pixels, labels


def write_folder(folder, names, pixels, ending=".png"):
    """Writes each image as a PNG file; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(folder / f"{name}{ending}", format="PNG")
    return folder


def write_records(path, names, pixels, labels):
    """Writes a TFRecord file; without names, the records have the features label and image only, as in 2018."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            feature = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.astype("<f4").tobytes()])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
            }
            if names is not None:
                value = tf.train.BytesList(value=[names[number].encode()])
                feature["name"] = tf.train.Feature(bytes_list=value)
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return path
