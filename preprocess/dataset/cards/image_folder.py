"""`small_train/metadata.csv`, `small_test/metadata.csv`: the labels of each image, for Hugging Face `datasets`.

`load_dataset("imagefolder", data_dir=OUT)` joins them with the images by the column `file_name`:
https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

import csv
import io
from collections.abc import Iterable

from preprocess.contract import schema
from preprocess.dataset.recipe import PreparedImage
from preprocess.dataset.record_parts import in_record_order

COLUMNS = ("file_name", "name", "density", "patient", "side", "view")
"""The tool replaces `file_name` by the image; `name` is the key of `dataset.csv`."""


def metadata_files(images: Iterable[PreparedImage]) -> dict[str, bytes]:
    """Returns the table of each folder that contains images, in record order."""
    images = list(images)
    splits = {split: in_record_order(images, split) for split in schema.SPLITS}
    return {schema.metadata_file(split): _table(chosen) for split, chosen in splits.items() if chosen}


def _table(images: Iterable[PreparedImage]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for image in images:
        film = image.film
        name = film.image_name
        table.writerow((f"{name}.png", name, film.density, film.patient, film.side, film.view))
    return text.getvalue().encode()
