"""Compressed DICOM films. RLE is decoded by `rle`, all other transfer syntaxes by pydicom and its plugins.

Standard: DICOM PS3.5 (2024), A.4 (encapsulation).
"""

import functools
import io
import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import RLELossless

from preprocess.images.dicom import rle
from preprocess.images.dicom.codestream import JPEG, CodestreamHeader, contains_start, find_end, parse_head
from preprocess.images.dicom.elements import ITEM_TAG, UNDEFINED
from preprocess.images.dicom.fragments import read_fragments, read_head
from preprocess.images.dicom.header import DicomHeader
from preprocess.images.dicom.meaning import check_meaning
from preprocess.images.dicom.pixel_format import PixelFormat, check_sign, read_pixel_format
from preprocess.images.dicom.syntaxes import codestream_family, find_decoder, find_plugins, syntax_name
from preprocess.images.pixels import BROKEN_FILE
from preprocess.runtime.errors import RejectedFilm

Image.MAX_IMAGE_PIXELS = None  # `open_film` has a limit

_JP2_START = b"\0\0\0\x0cjP  \r\n\x87\n"
_NOT_PRINTABLE = re.compile(r"[^ -~]+")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_LONGEST_EXPLANATION = 250  # characters


def open_encapsulated(stream: BinaryIO, size: int, header: DicomHeader) -> "EncapsulatedFilm":
    """Opens a compressed film, after all checks that are possible without decoding it.

    Args:
        stream: a seekable file.
        size: of the file, in bytes.

    Raises:
        RejectedFilm: see `reader.open_dicom`; or no plugin for the transfer syntax is installed.
    """
    syntax = header.syntax or ""
    name = syntax_name(syntax)
    decoder = find_decoder(syntax)
    if header.length != UNDEFINED and stream.read(len(ITEM_TAG)) != ITEM_TAG:
        raise RejectedFilm(
            "header", f"its transfer syntax is {name}, but its pixel data are not encapsulated; write the file anew"
        )
    fragments = functools.partial(read_fragments, stream, header.offset, size)
    if syntax == RLELossless:
        pixel_format = read_pixel_format(header.attributes)
        check_meaning(header.attributes, pixel_format)
        pixel_format.check_length(size - header.offset, -(-pixel_format.bytes // rle.LARGEST_RATIO))
        return EncapsulatedFilm(fragments, pixel_format, decoder, None, [])
    head = read_head(stream, header.offset, size)
    codestream = parse_head(head)
    if codestream is not None:
        check_sign(header.attributes, codestream)
    pixel_format = read_pixel_format(header.attributes)
    if codestream is None:
        found = "are a JP2 file" if head.startswith(_JP2_START) else "do not begin with an image size"
        raise RejectedFilm("header", f"its compressed pixel data {found}; expected a codestream (PS3.5, 8.2)")
    if codestream.family != codestream_family(syntax):
        raise RejectedFilm(
            "header", f"its transfer syntax is {name}, but its pixel data are {codestream.family}; write the file anew"
        )
    pixel_format = pixel_format.of_codestream(codestream)
    check_meaning(header.attributes, pixel_format)
    plugins = find_plugins(decoder, codestream.precision)
    return EncapsulatedFilm(fragments, pixel_format, decoder, codestream, plugins)


class EncapsulatedFilm:
    """A compressed film, see `pixels.FilmImage`. The first call of `read_rows` decodes the whole film.

    Args:
        read_fragments: reads the compressed data.
        codestream: its header; None for RLE.
        plugins: the names of the plugins that are tried in turn.
    """

    is_native = False

    def __init__(
        self,
        read_fragments: Callable[[], list[bytes]],
        pixel_format: PixelFormat,
        decoder: Decoder,
        codestream: CodestreamHeader | None,
        plugins: Sequence[str],
    ):
        self._read_fragments, self._format = read_fragments, pixel_format
        self._decoder, self._codestream, self._plugins = decoder, codestream, plugins
        self.height, self.width = pixel_format.height, pixel_format.width
        self._planes: rle.RlePlanes | None = None
        self._samples: np.ndarray | None = None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        if self._codestream is None:
            self._planes = self._planes or self._decode_rle()
            return self._format.pixels(self._planes.rows(start, stop))
        if self._samples is None:
            self._samples = self._decode_by_plugin(self._codestream)
        return self._format.pixels(self._samples[start:stop])

    def _decode_rle(self) -> rle.RlePlanes:
        try:
            return rle.RlePlanes(self._read_fragments(), self._format)
        except BROKEN_FILE as error:
            raise RejectedFilm("pixels", f"its RLE pixel data cannot be decoded ({type(error).__name__})") from error

    def _decode_by_plugin(self, header: CodestreamHeader) -> np.ndarray:
        """Decodes the frame with pydicom and the installed plugins to (H, W) uint8 or uint16 samples."""
        frame = self._read_frame(header)
        explanations = []
        for plugin in self._plugins:
            try:
                samples, _ = self._decoder.as_array(
                    io.BytesIO(frame), index=0, raw=True, decoding_plugin=plugin, **self._options(header)
                )
                break
            except BROKEN_FILE as error:
                explanations.append(_explanation(error))
        else:
            raise RejectedFilm(
                "pixels", f"its {self._decoder.UID.name} pixel data cannot be decoded ({'; '.join(explanations)})"
            )
        if samples.shape != (self.height, self.width) or samples.dtype != self._format.dtype:
            raise RejectedFilm(
                "pixels",
                f"its pixel data decode to {samples.shape} {samples.dtype}; expected {self._format.dtype} samples of "
                f"the size in its header, {(self.height, self.width)}",
            )
        return samples

    def _read_frame(self, header: CodestreamHeader) -> bytes:
        """Returns the encapsulated codestream, without what follows its end mark."""
        codestream = b"".join(self._read_fragments())
        end = find_end(codestream, header.family)
        if end is None:
            name = self._decoder.UID.name
            raise RejectedFilm("pixels", f"its {name} pixel data are truncated or have parts missing")
        if contains_start(codestream[end:]):
            raise RejectedFilm("pixels", "its pixel data contain more than one frame; expected one")
        return encapsulate([codestream[:end]])

    def _options(self, header: CodestreamHeader) -> dict[str, Any]:
        """Returns the options of pydicom's decoder: the properties of the codestream, not those of the DICOM header."""
        bits = self._format.bits
        if header.family == JPEG:
            bits = max(bits, 8)  # with fewer, GDCM ends its process
        return {
            "rows": self.height, "columns": self.width, "number_of_frames": 1, "samples_per_pixel": 1,
            "photometric_interpretation": "MONOCHROME2", "bits_allocated": 8 * self._format.dtype.itemsize,
            "bits_stored": bits, "pixel_representation": 0,
        }  # fmt: skip


def _explanation(error: Exception) -> str:
    """Returns what pydicom and its plugins say about an error, in one line without addresses of objects."""
    if not isinstance(error, RuntimeError):
        return type(error).__name__
    text = str(error)
    lines = text.partition("plugins:")[2] or text  # pydicom lists each plugin and its error in a line
    explanation = _NOT_PRINTABLE.sub(" ", "; ".join(line.strip() for line in lines.splitlines() if line.strip()))
    return _ADDRESS.sub("...", explanation)[:_LONGEST_EXPLANATION] or type(error).__name__
