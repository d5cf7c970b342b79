"""Names transfer syntaxes, and rejects those whose pixel data cannot be read.

Standard: DICOM PS3.5 (2024), 10 and A; PS3.6 (2025), A.
"""

from pydicom.config import IGNORE
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from preprocess.images.dicom.codestream import JPEG, JPEG_2000, JPEG_LS
from preprocess.runtime.errors import RejectedFilm

_NEWER = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
"""Transfer syntaxes of the standard that pydicom 3.0 does not contain."""

_FAMILIES = (
    (JPEGTransferSyntaxes, JPEG), (JPEGLSTransferSyntaxes, JPEG_LS), (JPEG2000TransferSyntaxes, JPEG_2000),
)  # fmt: skip

_LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
_PYLIBJPEG = "pylibjpeg"
_PYLIBJPEG_FIRST = (JPEG2000Lossless,)
_PLUGINS = ("pillow", "pyjpegls", _PYLIBJPEG, "gdcm")
"""The names that pydicom gives its plugins. GDCM is the last one, because it ends its process for some films."""


def syntax_name(syntax: str) -> str:
    """Returns the name of a transfer syntax that DICOM defines or has defined.

    Raises:
        RejectedFilm: it defines none. The UID is not quoted, because a broken file may have other text there.
    """
    if syntax in _NEWER:
        return _NEWER[syntax]
    uid = UID(syntax, IGNORE)  # else, pydicom would quote an invalid UID in a warning
    if uid.type != "Transfer Syntax":
        raise RejectedFilm(
            "header", "DICOM does not define its transfer syntax; convert the file to Explicit VR Little Endian"
        )
    return uid.name


def find_decoder(syntax: str) -> Decoder:
    """Returns pydicom's decoder of an encapsulated transfer syntax, whether or not a plugin for it is installed.

    Raises:
        RejectedFilm: it has none.
    """
    try:
        decoder = get_decoder(syntax)
        if decoder.is_encapsulated:
            return decoder
    except NotImplementedError:
        pass
    raise RejectedFilm("header", f"{syntax_name(syntax)} is not supported; convert it to Explicit VR Little Endian")


def find_plugins(decoder: Decoder, precision: int) -> list[str]:
    """Returns the installed plugins that can decode a codestream, the first one to be tried first.

    Pillow is the first one, so that a lossy film has the same pixels whatever else is installed. Lossless JPEG 2000 has
    the same pixels with all of them; pylibjpeg takes 0.6 times as long as Pillow.

    Args:
        decoder: see `find_decoder`.
        precision: bits of a sample.

    Raises:
        RejectedFilm: there is none.
    """
    name = decoder.UID.name
    order = (_PYLIBJPEG, *_PLUGINS) if decoder.UID in _PYLIBJPEG_FIRST else _PLUGINS
    plugins = [plugin for plugin in dict.fromkeys(order) if plugin in decoder.available_plugins]
    if decoder.UID in _LOSSY_JPEG and precision > 8:
        plugins = [plugin for plugin in plugins if plugin == _PYLIBJPEG]
        if not plugins:
            raise RejectedFilm(
                "header",
                f"{name} of {precision} bits needs a decoder that is not installed; convert the film to Explicit VR "
                "Little Endian, or run: pip install pylibjpeg pylibjpeg-libjpeg",
            )
    if not plugins:
        raise RejectedFilm(
            "header", f"{name} needs a decoder that is not installed; run: pip install 'cbis-ddsm-density[decoders]'"
        )
    return plugins


def codestream_family(syntax: str) -> str:
    """Returns the family of codestreams, see `CodestreamHeader`, that a transfer syntax has; "" for RLE."""
    return next((family for syntaxes, family in _FAMILIES if syntax in syntaxes), "")
