"""Finds how a PNG, TIFF or JPEG is to be turned upright: one rule for all three formats.

The orientation is that of the TIFF tag or of Exif, or that of XMP if these give none. The values 1 to 8 are those of
the TIFF tag Orientation (TIFF 6.0, section 8; Exif 2.32, 4.6.4).
"""

from PIL import ExifTags, Image

from preprocess.images.pixels import BROKEN_FILE
from preprocess.runtime.errors import RejectedFilm

_UPRIGHT, _LAST = 1, 8
_FIRST_ON_ITS_SIDE = 5


def read_orientation(image: Image.Image, stage: str) -> int:
    """Returns the orientation of an image, 1 to 8. The image data are not decoded.

    Args:
        stage: at which the film is rejected.

    Raises:
        RejectedFilm: the orientation is another value, or the Exif data cannot be read.
    """
    try:
        if "exif" in image.info:
            Image.Exif().load(image.info["exif"])  # Pillow's reader of JPEG drops the error
        # that of Image itself: the method of a PNG decodes the image data
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, _UPRIGHT)
    except BROKEN_FILE as error:
        raise RejectedFilm(
            stage, f"its Exif data, which can give its orientation, cannot be read ({type(error).__name__})"
        ) from error
    if not isinstance(orientation, int) or not _UPRIGHT <= orientation <= _LAST:
        raise RejectedFilm(stage, "its Orientation (Exif, TIFF or XMP) is not a number from 1 to 8")
    return orientation


def upright_size(image: Image.Image, orientation: int) -> tuple[int, int]:
    """Returns the width and the height of an image after it has been turned upright.

    Pillow gives the size of a TIFF with the tag Orientation after turning, and all other sizes before.
    """
    width, height = image.size
    is_turned = getattr(image, "tag_v2", {}).get(ExifTags.Base.Orientation) == orientation
    return (width, height) if orientation < _FIRST_ON_ITS_SIDE or is_turned else (height, width)
