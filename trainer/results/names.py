"""Reads the collection, patient, side and view in the names of images, e.g. "3_Calc-Test_P_00038_LEFT_CC"."""

import re

from preprocess.contract import schema

COLLECTIONS = ("Calc", "Mass")
"""The collections of CBIS-DDSM: calcifications and masses."""

_COLLECTION = re.compile(rf"(?:\d+_)?({'|'.join(COLLECTIONS)})-")
_SIDE = re.compile(rf"_({'|'.join(schema.SIDES)})(?:_|$)")
_VIEW = re.compile(rf"_({'|'.join(schema.VIEWS)})(?:_|$)")


def collection_in(name: str) -> str | None:
    """Returns the collection, "Calc" or "Mass"; None if the mammogram ID begins with neither."""
    match = _COLLECTION.match(name)
    return match and match[1]


def side_in(name: str) -> str | None:
    """Returns "LEFT" or "RIGHT"; None if the name contains neither."""
    match = _SIDE.search(name)
    return match and match[1]


def view_in(name: str) -> str | None:
    """Returns "CC" or "MLO"; None if the name contains neither."""
    match = _VIEW.search(name)
    return match and match[1]


def breast_in(name: str) -> str | None:
    """Returns patient and side, e.g. "P_00038_LEFT"; None if the name does not contain both."""
    patient, side = schema.patient_in(name), side_in(name)
    return f"{patient}_{side}" if patient and side else None
