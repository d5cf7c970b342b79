"""Elements that can change the meaning of the samples: without effect, or the film is rejected by their name."""

import struct

import pytest

from tests.preprocess.images import files
from tests.preprocess.images.test_sample_table import M1, check, jpeg_2000, samples

FILM = samples(12)
HEADER = {"BitsStored": 12}
EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
CONVERSION = "give a film whose samples need no conversion"


def every_container(**header):
    """Returns the same film uncompressed, big endian, deflated, RLE and JPEG 2000."""
    options = HEADER | header
    big_endian = {name: value[::-1] if name.startswith("PixelPadding") and isinstance(value, bytes) else value
                  for name, value in options.items()}  # fmt: skip
    return [
        files.dicom(FILM, **options),
        files.dicom(FILM, files.IMPLICIT, **options),
        files.dicom(FILM, files.BIG_ENDIAN, order=">", **big_endian),
        files.deflated(FILM, **options),
        files.encapsulated([files.rle_frame(FILM)], files.RLE, FILM.shape, **options),
        files.encapsulated([jpeg_2000(FILM, 12)], files.JPEG_2000, FILM.shape, **options),
    ]


@pytest.mark.parametrize(
    "header",
    [
        {"RescaleSlope": slope, "RescaleIntercept": intercept}
        for slope in (b"1 ", b"1.0 ", b"+1", b"1.000000", b"1e0 ", b"10e-1 ", b"")
        for intercept in (b"0 ", b"0.0 ", b"-0", b"0e3 ", b".0", b"", None)
    ]
    + [
        {"WindowCenter": b"100 ", "WindowWidth": b"20", "VOILUTFunction": b"SIGMOID "},
        {"WindowCenter": b"100\\200 ", "WindowWidth": b"20\\10 "},
        {"VOILUTSequence": EMPTY_ITEM},
        {"ICCProfile": bytes(200)},
        {"RealWorldValueMappingSequence": EMPTY_ITEM},
        {"ModalityLUTSequence": b""},
        {"PresentationLUTSequence": b""},
        {"SharedFunctionalGroupsSequence": b"", "PerFrameFunctionalGroupsSequence": b""},
        {"RedPaletteColorLookupTableDescriptor": b""},
        {"PixelPaddingValue": 0},
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 0},
        {"PixelPaddingValue": b""},
        {"PresentationLUTShape": b"IDENTITY"},
        {"PresentationLUTShape": b""},
    ],
    ids=str,
)
def test_elements_without_effect(header):
    for data in every_container(**header):
        check(data, files.full_range(FILM, 12))


@pytest.mark.parametrize(
    "header",
    [{"PresentationLUTShape": b"INVERSE "}, {"PixelPaddingValue": 4095},
     {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4095}],
    ids=str,
)  # fmt: skip
def test_elements_without_effect_if_the_largest_sample_is_black(header):
    for data in every_container(PhotometricInterpretation=M1, **header):
        check(data, files.full_range(FILM, 12, inverted=True))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"RescaleSlope": b"2 "}, f"DICOM attribute RescaleSlope is not 1; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"-1"}, f"DICOM attribute RescaleSlope is not 1; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"1.0000001 "}, f"DICOM attribute RescaleSlope is not 1; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"0 "}, f"DICOM attribute RescaleSlope is not 1; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"1\\1 "}, f"DICOM attribute RescaleSlope is not a number; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"DOE^JANE"}, f"DICOM attribute RescaleSlope is not a number; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"nan "}, f"DICOM attribute RescaleSlope is not a number; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"1_0 "}, f"DICOM attribute RescaleSlope is not a number; expected 1; {CONVERSION}"),
        ({"RescaleSlope": b"1 ", "RescaleIntercept": b"-1024 "},
         f"DICOM attribute RescaleIntercept is not 0; expected 0; {CONVERSION}"),
        ({"ModalityLUTSequence": EMPTY_ITEM},
         f"its header contains ModalityLUTSequence, a table that converts its samples to another unit; {CONVERSION}"),
        ({"PresentationLUTSequence": EMPTY_ITEM},
         f"its header contains PresentationLUTSequence, a table that converts its samples for a display; {CONVERSION}"),
        ({"RedPaletteColorLookupTableDescriptor": bytes(6)},
         "its header contains RedPaletteColorLookupTableDescriptor, a palette, so that some of its samples are "
         f"colours; {CONVERSION}"),
        ({"SharedFunctionalGroupsSequence": EMPTY_ITEM},
         "its header contains SharedFunctionalGroupsSequence, which makes it an enhanced multi-frame object; "
         + CONVERSION),
        ({"PerFrameFunctionalGroupsSequence": EMPTY_ITEM},
         "its header contains PerFrameFunctionalGroupsSequence, which makes it an enhanced multi-frame object; "
         + CONVERSION),
        ({"PresentationLUTShape": b"INVERSE "},
         "DICOM attribute PresentationLUTShape is INVERSE and PhotometricInterpretation is MONOCHROME2; expected "
         "IDENTITY with MONOCHROME2"),
        ({"PresentationLUTShape": b"LIN OD"},
         "DICOM attribute PresentationLUTShape is LIN OD and PhotometricInterpretation is MONOCHROME2; expected "
         "IDENTITY with MONOCHROME2"),
        ({"PresentationLUTShape": b"DOE^JANE"},
         "DICOM attribute PresentationLUTShape is a value that DICOM does not define and PhotometricInterpretation is "
         "MONOCHROME2; expected IDENTITY with MONOCHROME2"),
        ({"PhotometricInterpretation": M1, "PresentationLUTShape": b"IDENTITY"},
         "DICOM attribute PresentationLUTShape is IDENTITY and PhotometricInterpretation is MONOCHROME1; expected "
         "INVERSE with MONOCHROME1"),
        ({"PixelPaddingValue": 4095},
         "DICOM attribute PixelPaddingValue is 4095; expected 0, which is black; make its padding black"),
        ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 10},
         "DICOM attribute PixelPaddingRangeLimit is 10; expected 0, which is black; make its padding black"),
        ({"PixelPaddingValue": bytes(4)},
         "DICOM attribute PixelPaddingValue is not a number; expected 0, which is black; make its padding black"),
        ({"PhotometricInterpretation": M1, "PixelPaddingValue": 0},
         "DICOM attribute PixelPaddingValue is 0; expected 4095, which is black; make its padding black"),
        ({"PhotometricInterpretation": M1, "PixelPaddingValue": 65535},
         "DICOM attribute PixelPaddingValue is 65535; expected 4095, which is black; make its padding black"),
    ],
    ids=str,
)  # fmt: skip
def test_elements_for_which_a_film_is_refused(header, reason):
    for data in every_container(**header):
        check(data, f"header: {reason}")


@pytest.mark.parametrize("tag", [0x00283000, 0x20500010, 0x52009229, 0x52009230])
def test_sequences_without_a_length(tag):
    def film(value):
        return files.dicom(FILM, more=files.element(tag, "SQ", value, length=files.WITHOUT_LENGTH), **HEADER)

    check(film(END), files.full_range(FILM, 12))
    with pytest.raises(AssertionError, match=r"its header contains .*Sequence, "):
        check(film(EMPTY_ITEM + END), files.full_range(FILM, 12))


def test_elements_within_sequences_do_not_count():
    item = files.element(0x00281053, "DS", b"2 ") + files.element(0x20500020, "CS", b"INVERSE ")
    icon = struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
    open_icon = (
        struct.pack("<HHI", 0xFFFE, 0xE000, files.WITHOUT_LENGTH) + item + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    )
    for more in (files.element(0x50000001, "SQ", icon),
                 files.element(0x50000001, "SQ", open_icon + END, length=files.WITHOUT_LENGTH)):  # fmt: skip
        check(files.dicom(FILM, more=more, **HEADER), files.full_range(FILM, 12))


def test_the_padding_of_a_codestream_of_another_precision_is_black_in_the_codestream():
    data = files.encapsulated(
        [jpeg_2000(samples(10), 10)], files.JPEG_2000, FILM.shape, PhotometricInterpretation=M1, PixelPaddingValue=1023
    )
    check(data, files.full_range(samples(10), 10, inverted=True))
