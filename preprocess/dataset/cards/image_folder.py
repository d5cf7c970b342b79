"""`small_train/metadata.csv`, `small_test/metadata.csv`: the labels of each image, for Hugging Face `datasets`.

`load_dataset("imagefolder", data_dir=OUT)` joins them with the images by the column `file_name`:
https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from collections.abc import Collection, Iterator

from preprocess.contract import schema
from preprocess.dataset.recipe import PreparedImage
from preprocess.dataset.tables import format_csv

COLUMNS = ("file_name", "name", "density", "patient", "side", "view")
"""The tool replaces `file_name` by the image; `name` is the key of `dataset.csv`."""


def metadata_files(images: Collection[PreparedImage]) -> dict[str, Iterator[bytes]]:
    """Returns the table of each folder that contains images: path below the output root -> lines, in record order.

    Args:
        images: each split in record order.
    """
    splits = {image.film.split for image in images}
    return {schema.metadata_file(split): _table(images, split) for split in schema.SPLITS if split in splits}


def _table(images: Collection[PreparedImage], split: str) -> Iterator[bytes]:
    films = (image.film for image in images if image.film.split == split)
    return format_csv(
        COLUMNS, ((f"{f.image_name}.png", f.image_name, f.density, f.patient, f.side, f.view) for f in films)
    )
