"""Compressed DICOM films: decoded whole at the first rows that are asked for, RLE by Pillow, all else by pydicom.

Standard: DICOM PS3.5 (2024), A.4 (encapsulation), G (RLE).
"""

import struct
from typing import BinaryIO

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, AllTransferSyntaxes, RLELossless

from preprocess.images.dicom.codestream import codestream_size, is_complete, read_head
from preprocess.images.dicom.header import DicomHeader
from preprocess.images.dicom.pixel_format import PixelFormat, read_pixel_format
from preprocess.images.pixels import BROKEN_FILE
from preprocess.runtime.errors import RejectedFilm

_RLE_LARGEST_RATIO = 64  # two bytes of a PackBits run make at most 128


def open_encapsulated(stream: BinaryIO, size: int, header: DicomHeader) -> "EncapsulatedFilm":
    """Checks what can be checked of a compressed film without decoding it; as `dicom.open_dicom`."""
    syntax = _known(header.syntax)
    _check_decoder(syntax)
    pixel_format = read_pixel_format(header.attributes)
    if syntax == RLELossless:
        pixel_format.check_held(size - header.offset, -(-pixel_format.bytes // _RLE_LARGEST_RATIO))
    else:
        _check_codestream(read_head(stream, header.offset), pixel_format)
    return EncapsulatedFilm(stream, pixel_format, header.offset, syntax)


class EncapsulatedFilm:
    """A compressed film, see `pixels.FilmImage`."""

    is_native = False

    def __init__(self, stream: BinaryIO, pixel_format: PixelFormat, offset: int, syntax: UID):
        self._stream, self._format, self._offset, self._syntax = stream, pixel_format, offset, syntax
        self.height, self.width = pixel_format.height, pixel_format.width
        self._planes: list[Image.Image] = []
        self._samples: np.ndarray | None = None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        if self._syntax == RLELossless:
            self._planes = self._planes or self._decode_rle()
            samples = _combine([self._rows_of(plane, start, stop) for plane in self._planes])
        else:
            if self._samples is None:
                self._samples = self._decode_by_plugin()
            samples = self._samples[start:stop]
        return self._format.pixels(samples)

    def _rows_of(self, plane: Image.Image, start: int, stop: int) -> np.ndarray:
        """Rows start:stop of a plane that is one long row, as (stop - start, W) uint8; of a part, a copy is small."""
        part = plane.crop((start * self.width, 0, stop * self.width, 1))
        return np.asarray(part).reshape(stop - start, self.width)

    def _decode_rle(self) -> list[Image.Image]:
        """The byte planes of an RLE frame, most significant first, each H * W bytes in one row.

        DICOM's RLE is PackBits, which Pillow decodes in C: some six times faster than pydicom does in Python, and in
        twice the pixels' bytes instead of three to four.
        """
        try:
            self._stream.seek(self._offset)
            frame = next(generate_frames(self._stream, number_of_frames=1))
            count, *offsets = struct.unpack("<16I", frame[:64])
            if count != self._format.dtype.itemsize:
                raise RejectedFilm("pixels", f"{count} RLE segments; expected {self._format.dtype.itemsize}")
            planes: list[Image.Image] = []
            for begin in reversed(offsets[:count]):
                planes.insert(0, _unpack(memoryview(frame)[begin:], self.height * self.width))
                frame = frame[:begin]  # so that what is unpacked is not kept as well
            return planes
        except (*BROKEN_FILE, StopIteration) as error:
            raise RejectedFilm("pixels", f"its RLE pixel data cannot be decoded ({type(error).__name__})") from error

    def _decode_by_plugin(self) -> np.ndarray:
        """(H, W) uint8 or uint16, by pydicom and the plugins that are installed."""
        try:
            self._stream.seek(self._offset)
            whole = is_complete(next(generate_frames(self._stream, number_of_frames=1)))
            if not whole:
                raise RejectedFilm("pixels", f"its {self._syntax.name} pixel data are cut short or have parts missing")
            self._stream.seek(0)
            samples, _ = get_decoder(self._syntax).as_array(pydicom.dcmread(self._stream), index=0, raw=True)
        except (*BROKEN_FILE, StopIteration) as error:
            reason = f"its {self._syntax.name} pixel data cannot be decoded ({type(error).__name__})"
            raise RejectedFilm("pixels", reason) from error
        if samples.shape != (self.height, self.width) or samples.dtype.kind != "u":
            raise RejectedFilm("pixels", f"decoded to {samples.shape} {samples.dtype}; expected the header's size")
        return samples


def _known(syntax: str) -> UID:
    """A transfer syntax as pydicom names it; it would quote, in a warning, one that is no UID."""
    if syntax not in AllTransferSyntaxes:
        raise RejectedFilm(
            "header", "its transfer syntax is none that DICOM has; convert it to Explicit VR Little Endian"
        )
    return UID(syntax)


def _check_decoder(syntax: UID) -> None:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise RejectedFilm("header", f"transfer syntax {syntax} is not one that pydicom decodes") from error
    if not syntax.is_encapsulated:
        raise RejectedFilm("header", f"{syntax.name} is not read; convert it to Explicit VR Little Endian")
    if not decoder.is_available:
        wanted = " or ".join(line.split(" - ")[0] for line in decoder.missing_dependencies)
        needs = "; ".join(decoder.missing_dependencies)
        raise RejectedFilm(
            "header", f"{syntax.name} needs the pydicom plugin {wanted}, which is not installed ({needs})"
        )


def _check_codestream(head: bytes, pixel_format: PixelFormat) -> None:
    """Refuses a codestream of another size than the header's before any decoder allocates what it asks for."""
    stated = codestream_size(head)
    if stated is None:
        raise RejectedFilm("header", "its compressed pixel data do not begin with an image size")
    height, width, components = stated
    if stated != (pixel_format.height, pixel_format.width, 1):
        raise RejectedFilm(
            "header",
            f"its compressed pixel data are {height} x {width} pixels of {components} channels; "
            f"its header says {pixel_format.height} x {pixel_format.width} of one",
        )


def _unpack(segment: memoryview, length: int) -> Image.Image:
    """A PackBits segment -> its bytes, as one long row: of a run that crosses rows, which the standard forbids and some
    writers make, Pillow would drop what lies beyond, in silence.
    """
    return Image.frombytes("L", (length, 1), segment, "packbits", "L")


def _combine(planes: list[np.ndarray]) -> np.ndarray:
    """Byte planes, most significant first, each (H, W) uint8 -> (H, W) uint8 or uint16 samples."""
    if len(planes) == 1:
        return planes[0]
    return planes[0].astype(np.uint16) << 8 | planes[1]
