"""Compressed DICOM films. RLE is decoded by Pillow, all other transfer syntaxes by pydicom and its plugins.

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

_RLE_LARGEST_RATIO = 64  # a PackBits run of two bytes codes at most 128 bytes


def open_encapsulated(stream: BinaryIO, size: int, header: DicomHeader) -> "EncapsulatedFilm":
    """Opens a compressed film, after all checks that are possible without decoding it.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: see `reader.open_dicom`; or no plugin for the transfer syntax is installed.
    """
    syntax = _known_syntax(header.syntax)
    _check_decoder(syntax)
    pixel_format = read_pixel_format(header.attributes)
    if syntax == RLELossless:
        pixel_format.check_length(size - header.offset, -(-pixel_format.bytes // _RLE_LARGEST_RATIO))
    else:
        _check_codestream(read_head(stream, header.offset), pixel_format)
    return EncapsulatedFilm(stream, pixel_format, header.offset, syntax)


class EncapsulatedFilm:
    """A compressed film, see `pixels.FilmImage`. The first call of `read_rows` decodes the whole film."""

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
        """Returns the rows start:stop of a byte plane as (stop - start, W) uint8.

        Args:
            plane: the H * W bytes in one row, see `_unpack`.
        """
        part = plane.crop((start * self.width, 0, stop * self.width, 1))  # np.asarray makes copies; these are small
        return np.asarray(part).reshape(stop - start, self.width)

    def _decode_rle(self) -> list[Image.Image]:
        """Decodes an RLE frame to its byte planes, the most significant first, each with H * W bytes in one row.

        DICOM's RLE is PackBits, which Pillow decodes in C. This is about six times as fast as pydicom, which decodes it
        in Python, and needs twice the bytes of the pixels instead of three to four times.
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
                frame = frame[:begin]  # frees the memory of the segment that was unpacked
            return planes
        except (*BROKEN_FILE, StopIteration) as error:
            raise RejectedFilm("pixels", f"its RLE pixel data cannot be decoded ({type(error).__name__})") from error

    def _decode_by_plugin(self) -> np.ndarray:
        """Decodes a frame with pydicom and the installed plugins to (H, W) uint8 or uint16 samples."""
        try:
            self._stream.seek(self._offset)
            if not is_complete(next(generate_frames(self._stream, number_of_frames=1))):
                raise RejectedFilm("pixels", f"its {self._syntax.name} pixel data are truncated or have parts missing")
            self._stream.seek(0)
            samples, _ = get_decoder(self._syntax).as_array(pydicom.dcmread(self._stream), index=0, raw=True)
        except (*BROKEN_FILE, StopIteration) as error:
            reason = f"its {self._syntax.name} pixel data cannot be decoded ({type(error).__name__})"
            raise RejectedFilm("pixels", reason) from error
        if samples.shape != (self.height, self.width) or samples.dtype.kind != "u":
            raise RejectedFilm(
                "pixels",
                f"its pixel data decode to {samples.shape} {samples.dtype}; expected unsigned samples of the size in "
                f"its header, {(self.height, self.width)}",
            )
        return samples


def _known_syntax(syntax: str) -> UID:
    """Converts a transfer syntax that DICOM defines to a UID.

    Others are rejected before, because pydicom would quote an invalid UID in a warning.
    """
    if syntax not in AllTransferSyntaxes:
        raise RejectedFilm(
            "header", "DICOM does not define its transfer syntax; convert the file to Explicit VR Little Endian"
        )
    return UID(syntax)


def _check_decoder(syntax: UID) -> None:
    """Checks that pydicom has an installed decoder for a transfer syntax.

    Raises:
        RejectedFilm: it has none, or the pixel data are not encapsulated.
    """
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise RejectedFilm("header", f"transfer syntax {syntax} cannot be decoded by pydicom") from error
    if not syntax.is_encapsulated:
        raise RejectedFilm("header", f"{syntax.name} is not supported; convert it to Explicit VR Little Endian")
    if not decoder.is_available:
        plugins = " or ".join(line.split(" - ")[0] for line in decoder.missing_dependencies)
        needs = "; ".join(decoder.missing_dependencies)
        raise RejectedFilm(
            "header", f"{syntax.name} needs the pydicom plugin {plugins}, which is not installed ({needs})"
        )


def _check_codestream(head: bytes, pixel_format: PixelFormat) -> None:
    """Checks the size in a codestream, before a decoder allocates memory for it.

    Args:
        head: the beginning of the codestream, see `read_head`.

    Raises:
        RejectedFilm: it differs from the size in the DICOM header, or is missing.
    """
    size = codestream_size(head)
    if size is None:
        raise RejectedFilm("header", "its compressed pixel data do not begin with an image size")
    height, width, components = size
    if size != (pixel_format.height, pixel_format.width, 1):
        raise RejectedFilm(
            "header",
            f"its compressed pixel data are {height} x {width} pixels of {components} channels; "
            f"its header specifies {pixel_format.height} x {pixel_format.width} of one channel",
        )


def _unpack(segment: memoryview, length: int) -> Image.Image:
    """Unpacks a PackBits segment to an image of a single row.

    Some writers make runs that continue in the next row, which the standard forbids. In an image of several rows,
    Pillow would drop the part of a run beyond its row without an error.

    Args:
        length: number of unpacked bytes.
    """
    return Image.frombytes("L", (length, 1), segment, "packbits", "L")


def _combine(planes: list[np.ndarray]) -> np.ndarray:
    """Combines one or two byte planes, the most significant first, each (n, W) uint8, to uint8 or uint16 samples."""
    if len(planes) == 1:
        return planes[0]
    return planes[0].astype(np.uint16) << 8 | planes[1]
