"""Benchmark of compressed films, compared with decoding them only: a JPEG by Pillow, a DICOM film by pydicom."""

from collections.abc import Callable
from pathlib import Path

import pydicom
from PIL import Image
from pydicom.uid import UID, JPEG2000Lossless, RLELossless

from benchmarks import films, one_film, peers
from benchmarks.measure import Row, side_by_side

FILM = 4  # index of a size: 11 million pixels; one film only, because an encoder in Python is slow
KINDS: dict[str, tuple[UID | None, Callable[[Path], object]]] = {
    "JPEG": (None, peers.decode_image),
    "RLE": (RLELossless, peers.decode_dicom),
    "JPEG 2000": (JPEG2000Lossless, peers.decode_dicom),
}


def run(folder: Path) -> list[Row]:
    """Returns one row for each format."""
    plain = films.write_films(folder)[FILM]
    rows = []
    for name, (syntax, decode) in KINDS.items():
        path = _compressed(plain, folder / name.replace(" ", "-"), syntax)
        times = side_by_side({
            "ours": lambda path=path: one_film.prepare(path, "area"),
            "peer": lambda path=path, decode=decode: decode(path),
        })  # fmt: skip
        ours, peer = (f"{1e3 * times.median(which):.0f} ms" for which in ("ours", "peer"))
        rows.append(Row(f"one {name} film / decoding it only", ours, peer, times.ratio("ours", "peer"), "<= 1.3"))
    return rows


def _compressed(plain: Path, path: Path, syntax: UID | None) -> Path:
    dataset = pydicom.dcmread(plain)
    if syntax is None:
        Image.fromarray((dataset.pixel_array >> 8).astype("u1")).save(path, format="JPEG", quality=90)
    else:
        plugin = "pydicom" if syntax == RLELossless else "pylibjpeg"  # other installed ones may take precedence
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        dataset.save_as(path)
    return path
