"""One flipped bit in a film: how many are noticed, by format. The table is printed with `pytest -s`.

The full form flips 10,000 bits in each format, the short form 30. Whatever the format, the film is read or rejected
with a reason, and no flipped bit ends the decoder process. A flipped bit that changes the pixels must be noticed in a
PNG and in the strips of a TIFF with deflate, which have checksums. The tags of a TIFF and the other formats have none.
"""

import collections
import dataclasses
import io

import numpy as np
import pytest
from openjpeg.utils import encode_buffer
from PIL import Image

from pipelines.sample.breast import synthesize_film
from preprocess.images.film_task import FilmTask, open_film_file
from preprocess.images.formats import open_film
from preprocess.images.make_image import pixel_digest
from preprocess.runtime.errors import RejectedFilm
from tests.preprocess.images import files

HEIGHT, WIDTH = 320, 200
MAX_PIXELS = 1_000_000


def film():
    return synthesize_film((HEIGHT, WIDTH), 3, "LEFT", "CC", np.random.default_rng(5))


def image(samples, **options):
    file = io.BytesIO()
    Image.fromarray(samples).save(file, **options)
    return file.getvalue()


def jpeg_2000(samples):
    data = encode_buffer(samples.tobytes(), WIDTH, HEIGHT, 1, 16, False, photometric_interpretation=2)
    return files.encapsulated([data], files.JPEG_2000, samples.shape)


FORMATS = {
    "PNG": lambda samples: image(samples, format="PNG"),
    "TIFF, deflate": lambda samples: image(samples, format="TIFF", compression="tiff_adobe_deflate"),
    "TIFF, LZW": lambda samples: image(samples, format="TIFF", compression="tiff_lzw"),
    "DICOM, deflated": files.deflated,
    "DICOM, RLE": lambda samples: files.encapsulated([files.rle_frame(samples)], files.RLE, samples.shape),
    "DICOM, JPEG 2000": jpeg_2000,
}


def end_of_checksums(name, intact):
    """Returns the number of bytes at the beginning of a file that checksums cover. The tags of a TIFF follow them."""
    return {"PNG": len(intact), "TIFF, deflate": int.from_bytes(intact[4:8], "little")}.get(name, 0)


def outcome(path, digest):
    """Returns what happened to a damaged film: "rejected", "its decoder crashed", "same pixels" or "other pixels"."""
    try:
        with open_film_file(path, "header") as stream:
            opened = open_film(stream, MAX_PIXELS)
            size = opened.height, opened.width
        found = pixel_digest(FilmTask(path, size, size, size, "area", MAX_PIXELS, is_native=opened.is_native))
    except RejectedFilm as rejected:
        return "its decoder crashed" if "crashed" in rejected.reason else "rejected"
    return "same pixels" if found == digest else "other pixels"


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bits(name, rng, full, tmp_path):
    intact = FORMATS[name](film())
    path = tmp_path / "film"
    path.write_bytes(intact)
    task = FilmTask(str(path), (HEIGHT, WIDTH), (HEIGHT, WIDTH), (HEIGHT, WIDTH), "area", MAX_PIXELS, is_native=False)
    digest = pixel_digest(task)
    plain = tmp_path / "plain"
    plain.write_bytes(files.dicom(film()))
    assert digest == pixel_digest(dataclasses.replace(task, path=str(plain)))
    outcomes = collections.Counter()
    for _ in range(10_000 if full else 30):
        bit = rng.randrange(8 * len(intact))
        damaged = bytearray(intact)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        result = outcome(str(path), digest)
        outcomes[result] += 1
        assert bit // 8 >= end_of_checksums(name, intact) or result != "other pixels", bit
    counts = ", ".join(f"{count} {result}" for result, count in outcomes.most_common())
    print(f"{name}: {len(intact):,} bytes; {counts}")
    assert not outcomes["its decoder crashed"]
