"""Makes synthetic case descriptions: patients, mammograms, and four CSV files with the quirks of the real ones."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from preprocess.contract import schema

FIRST_PATIENT = 90001  # the patients of CBIS-DDSM end at P_02584
SMALLEST = 8  # patients

_SHARED = ("left or right breast", "image view", "abnormality id", "abnormality type")
_PATHS = ("image file path", "cropped image file path", "ROI mask file path")
HEADERS = {
    "Calc": ("patient_id", "breast density", *_SHARED, "calc type", "calc distribution", "assessment", "pathology",
             "subtlety", *_PATHS),
    "Mass": ("patient_id", "breast_density", *_SHARED, "mass shape", "mass margins", "assessment", "pathology",
             "subtlety", *_PATHS),
}  # fmt: skip
_FINDINGS = {
    "Calc": ("calcification", ("PLEOMORPHIC", "AMORPHOUS", "PUNCTATE"), ("CLUSTERED", "SEGMENTAL", "LINEAR")),
    "Mass": ("mass", ("OVAL", "LOBULATED", "IRREGULAR"), ("CIRCUMSCRIBED", "ILL_DEFINED", "SPICULATED")),
}
_SPLIT_NAMES = {schema.TRAIN: "Training", schema.TEST: "Test"}


@dataclass(frozen=True)
class SampleMammogram:
    """One synthetic mammogram.

    Attributes:
        kind: "Calc" or "Mass".
        density: 1 to 4; 0 for the mammogram without a category.
        abnormalities: number of CSV rows that describe it.
        has_file: whether its film is written; one film is missing, as in every download.
    """

    kind: str
    split: str
    patient: str
    side: str
    view: str
    density: int
    abnormalities: int
    has_file: bool = True

    @property
    def mammogram_id(self) -> str:
        return f"{self.kind}-{_SPLIT_NAMES[self.split]}_{self.patient}_{self.side}_{self.view}"

    @property
    def study(self) -> str:
        return uid(self.mammogram_id, "study")

    @property
    def series(self) -> str:
        return uid(self.mammogram_id, "series")

    @property
    def image_path(self) -> str:
        return f"{self.mammogram_id}/{self.study}/{self.series}/000000.dcm"


def uid(*names: object) -> str:
    """Returns a DICOM UID that is derived from names (PS3.5, B.2: 2.25 and a 128-bit number)."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def make_mammograms(patients: int, seed: int) -> list[SampleMammogram]:
    """Returns the mammograms of a sample: the categories in turn, about a third of the patients in the test set.

    As in the real case descriptions, there is also one patient in both splits, one test mammogram of density 0, and one
    training mammogram without a file.
    """
    rng = np.random.default_rng([seed, patients])
    mammograms: list[SampleMammogram] = []
    for number in range(patients):
        block, category = divmod(number, len(schema.DENSITIES))
        kind = ("Calc", "Mass")[int(rng.integers(2))]
        split = schema.TEST if block % 3 == 1 else schema.TRAIN
        sides = (schema.SIDES, schema.SIDES[:1], schema.SIDES[1:])[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
        for side in sides:
            for view in schema.VIEWS:
                rows = int(rng.choice((1, 2, 3), p=(0.7, 0.2, 0.1)))
                mammograms.append(SampleMammogram(kind, split, _patient(number), side, view, category + 1, rows))
    shared = next(mammogram for mammogram in mammograms if mammogram.split == schema.TEST)
    other_kind = "Mass" if shared.kind == "Calc" else "Calc"
    mammograms.append(SampleMammogram(other_kind, schema.TRAIN, shared.patient, shared.side, "MLO", shared.density, 1))
    mammograms.append(SampleMammogram("Calc", schema.TEST, _patient(patients), "RIGHT", "CC", 0, 1))
    mammograms.append(
        SampleMammogram("Mass", schema.TRAIN, _patient(patients + 1), "LEFT", "MLO", 2, 1, has_file=False)
    )
    return sorted(mammograms, key=lambda mammogram: (mammogram.patient, mammogram.mammogram_id))


def csv_name(kind: str, split: str) -> str:
    return f"{kind.lower()}_case_description_{split}_set.csv"


def csv_text(kind: str, mammograms: Iterable[SampleMammogram]) -> str:
    """Returns the text of a case description file.

    As in the real files, every record spans two lines: the quoted path of the crop (calcifications) or of the mask
    (masses) ends with a newline.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADERS[kind])
    for mammogram in mammograms:
        table.writerows(_rows(mammogram))
    return text.getvalue()


def _patient(number: int) -> str:
    return f"P_{FIRST_PATIENT + number:05d}"


def _rows(mammogram: SampleMammogram) -> Iterator[tuple]:
    what, shapes, margins = _FINDINGS[mammogram.kind]
    for number in range(1, mammogram.abnormalities + 1):
        name = mammogram.mammogram_id
        folder = f"{name}_{number}/{uid(name, number, 'study')}/{uid(name, number, 'series')}"
        crop, mask = f"{folder}/000001.dcm", f"{folder}/000000.dcm"
        crop, mask = (f"{crop}\n", mask) if mammogram.kind == "Calc" else (crop, f"{mask}\n")
        draw = hashlib.sha256(f"{mammogram.mammogram_id} {number}".encode()).digest()
        yield (
            mammogram.patient, mammogram.density, mammogram.side, mammogram.view, number, what,
            shapes[draw[0] % 3], margins[draw[1] % 3],
            2 + draw[2] % 4, ("BENIGN", "MALIGNANT", "BENIGN_WITHOUT_CALLBACK")[draw[3] % 3], 1 + draw[4] % 5,
            mammogram.image_path, crop, mask,
        )  # fmt: skip
