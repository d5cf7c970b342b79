"""Holds out patients of the training images for validation, chosen by a hash of the patient."""

import hashlib

import numpy as np

from preprocess.contract import schema
from preprocess.runtime.errors import InputError
from trainer.data.image_set import ImageSet
from trainer.settings import Settings


def split_for_validation(images: ImageSet, settings: Settings) -> tuple[ImageSet, ImageSet | None]:
    """Divides the training images into those to train on and those to validate on; no patient is in both.

    Whether a patient is held out does not depend on which other patients there are.

    Returns:
        The two sets; the second one is None if the settings hold out no patients.

    Raises:
        InputError: the patient of an image is not known from its name, or one of the two sets would be empty.
    """
    if not settings.validates:
        return images, None
    held_out = np.array([_is_held_out(_patient(name, images), settings) for name in images.names])
    if held_out.all() or not held_out.any():
        wanted = f"--folds {settings.folds}" if settings.folds else f"--validation_share {settings.validation_share:g}"
        which = "every patient" if held_out.all() else "no patient"
        raise InputError(
            f"{images.source}: {wanted} holds out {which} of {len(set(map(schema.patient_in, images.names)))}; give "
            f"another share, or --validation_share 0 for no validation"
        )
    return images.subset(~held_out), images.subset(held_out)


def place_of(patient: str) -> float:
    """Returns the place of a patient between 0 and 1, which depends on the name only."""
    return int.from_bytes(hashlib.sha256(f"validation {patient}".encode()).digest()[:6], "big") / 2**48


def _is_held_out(patient: str, settings: Settings) -> bool:
    if settings.folds:
        return int(place_of(patient) * settings.folds) == settings.fold
    return place_of(patient) < settings.validation_share


def _patient(name: str, images: ImageSet) -> str:
    patient = schema.patient_in(name)
    if patient is None:
        raise InputError(
            f"{images.source}: the patient of {repr(name) if name else 'an image without a name'} is not known, so "
            f"patients cannot be held out for validation; name images <density>_<mammogram ID>, or give "
            f"--validation_share 0"
        )
    return patient
