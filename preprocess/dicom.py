"""DICOM films: uncompressed ones read band by band straight from the file, compressed ones decoded first.

Standard: DICOM PS3.5 (2024), 8 (pixel data), A.4 (encapsulation), G (RLE). Of the header only geometry and pixel format
are ever looked at, and only they appear in a message: the rest may tell of a person.
"""

import struct
from collections.abc import Container
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from preprocess.codestream import is_whole, read_head, stated_size
from preprocess.dicom_header import NOT_A_NUMBER, UNDEFINED, Value, read_header
from preprocess.errors import RejectedFilm
from preprocess.pixels import BROKEN_FILE, to_full_range

_NUMBERS = ("Rows", "Columns", "BitsAllocated", "BitsStored")
_PHOTOMETRIC = frozenset((
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422",
    "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB",
))  # fmt: skip
"""Every value that PS3.3, C.7.6.3.1.2 has or had: only these are quoted."""
_RLE_LARGEST_RATIO = 64  # two bytes of a PackBits run make at most 128


def open_dicom(stream: BinaryIO, size: int) -> "NativeFilm | EncapsulatedFilm":
    """Reads a DICOM header up to the pixel data.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: not a 16-bit range grayscale film this project can read, or a file too short for its header.
    """
    header = read_header(stream)
    syntax = _known(header.syntax)
    native = syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    if not native:
        _check_decoder(syntax)
    layout = _check_header(header.said)
    promised = layout.height * layout.width * layout.dtype.itemsize
    smallest = -(-promised // _RLE_LARGEST_RATIO) if syntax == RLELossless else promised if native else 0
    if size - header.offset < smallest:
        raise RejectedFilm("header", _too_short(layout, promised, max(0, size - header.offset)))
    if not native:
        if syntax != RLELossless:
            _check_codestream(read_head(stream, header.offset), layout)
        return EncapsulatedFilm(stream, layout, header.offset, syntax)
    if header.length not in (promised, promised + promised % 2):
        held = "no length" if header.length == UNDEFINED else f"{header.length:,} bytes"
        raise RejectedFilm("header", f"its pixel data has {held}; its header promises {promised:,}")
    return NativeFilm(stream, layout, header.offset)


@dataclass(frozen=True)
class _Layout:
    """How a film's samples are stored: `dtype` is little-endian, `bits` of it are in use."""

    height: int
    width: int
    dtype: np.dtype
    bits: int
    inverted: bool


class _Film:
    def __init__(self, stream: BinaryIO, layout: _Layout, offset: int):
        self._stream, self._layout, self._offset = stream, layout, offset
        self.height, self.width = layout.height, layout.width

    def _pixels(self, samples: np.ndarray) -> np.ndarray:
        return to_full_range(samples, self._layout.bits, self._layout.inverted)


class NativeFilm(_Film):
    """An uncompressed film. Only the rows that are asked for are read, each band into the memory of the last one:
    asking the system for fresh memory band by band would take longer than reading the file.
    """

    _band: np.ndarray | None = None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        if self._band is None or len(self._band) < stop - start:
            self._band = np.empty((stop - start, self.width), self._layout.dtype)
        rows = self._band[: stop - start]
        row_bytes = self.width * self._layout.dtype.itemsize
        try:
            self._stream.seek(self._offset + start * row_bytes)
            got = self._stream.readinto(rows.data.cast("B"))  # type: ignore[attr-defined]
        except OSError as error:
            raise RejectedFilm("pixels", f"the file cannot be read: {error.strerror or error}") from error
        if got != rows.nbytes:
            raise RejectedFilm("pixels", f"the file ended within row {start + got // row_bytes} of {self.height}")
        return self._pixels(rows)


class EncapsulatedFilm(_Film):
    """A compressed film, decoded whole at the first rows that are asked for."""

    def __init__(self, stream: BinaryIO, layout: _Layout, offset: int, syntax: UID):
        super().__init__(stream, layout, offset)
        self._syntax = syntax
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
        return self._pixels(samples)

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
            if count != self._layout.dtype.itemsize:
                raise RejectedFilm("pixels", f"{count} RLE segments; expected {self._layout.dtype.itemsize}")
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
            whole = is_whole(next(generate_frames(self._stream, number_of_frames=1)))
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


def _check_header(said: dict[str, Value]) -> _Layout:
    """Refuses what is not one grayscale film of up to 16 unsigned bits."""
    most_bits = 16 if said["BitsAllocated"] == 16 else 8
    expectations: dict[str, tuple[Container, str]] = {
        "Rows": (range(1, 65536), "1 to 65535"),
        "Columns": (range(1, 65536), "1 to 65535"),
        "SamplesPerPixel": ((1,), "1"),
        "PhotometricInterpretation": (("MONOCHROME1", "MONOCHROME2"), "MONOCHROME1 or MONOCHROME2"),
        "NumberOfFrames": ((None, 1), "1"),
        "BitsAllocated": ((8, 16), "8 or 16"),
        "BitsStored": (range(1, most_bits + 1), f"1 to {most_bits}"),
        "PixelRepresentation": ((0,), "0 (unsigned)"),
    }
    for name, (allowed, words) in expectations.items():
        if said[name] not in allowed:
            raise RejectedFilm("header", f"the DICOM header says {name} {_quoted(said[name])}; expected {words}")
    height, width, allocated, bits = (int(said[name] or 0) for name in _NUMBERS)
    if said["HighBit"] != bits - 1:
        raise RejectedFilm("header", f"the DICOM header says HighBit {_quoted(said['HighBit'])}; expected {bits - 1}")
    return _Layout(
        height, width, np.dtype(f"<u{allocated // 8}"), bits, said["PhotometricInterpretation"] == "MONOCHROME1"
    )


def _quoted(value: Value) -> str:
    """A header's value as a message may show it: where a name or an identifier could stand, it is not repeated."""
    if value is None or isinstance(value, int):
        return str(value) if value is None or value < 65536 else "a number above 65535"
    return value if value in _PHOTOMETRIC or value == NOT_A_NUMBER else "a value that DICOM does not know"


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


def _check_codestream(head: bytes, layout: _Layout) -> None:
    """Refuses a codestream of another size than the header's before any decoder allocates what it asks for."""
    stated = stated_size(head)
    if stated is None:
        raise RejectedFilm("header", "its compressed pixel data do not begin with an image size")
    height, width, components = stated
    if stated != (layout.height, layout.width, 1):
        raise RejectedFilm(
            "header",
            f"its compressed pixel data are {height} x {width} pixels of {components} channels; "
            f"its header says {layout.height} x {layout.width} of one",
        )


def _too_short(layout: _Layout, promised: int, held: int) -> str:
    return (
        f"its header promises {layout.height} x {layout.width} pixels of {8 * layout.dtype.itemsize} bits "
        f"({promised:,} bytes); the file holds {held:,}"
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
