"""The listing of all 6,775 series of CBIS-DDSM, in every layout in which it is distributed.

The listing is that of the Imaging Data Commons, with PatientIDs as they are in the DICOM headers. Names of files are
made up where the listing does not contain them. Every full mammogram must be found, and no crop or mask.
"""

import csv
import uuid

import pytest

from pipelines.preparation.inputs import read_descriptions
from preprocess.cases.descriptions import catalogue_mammograms, group_by_mammogram
from preprocess.cases.locate import FileIndex
from preprocess.files.listing import ListedFile, Listing

LAYOUTS = {
    "as in the CSV": lambda s, i: f"{s['case']}/{s['StudyInstanceUID']}/{s['SeriesInstanceUID']}/{i:06d}.dcm",
    "NBIA today": lambda s, i: (
        f"manifest-1/CBIS-DDSM/{s['case']}/{s['date']}-DDSM-NA-{s['StudyInstanceUID'][-5:]}/"
        f"1.000000-{s['kind']}-NA-{s['SeriesInstanceUID'][-5:]}/1-{i + 1}.dcm"
    ),
    "NBIA 2018": lambda s, i: (
        f"CBIS-DDSM/{s['case']}/{s['date']}-DDSM-{s['StudyInstanceUID'][-5:]}/"
        f"1-{s['kind']}-{s['SeriesInstanceUID'][-5:]}/{i:06d}.dcm"
    ),
    "NBIA classic": lambda s, i: (
        f"CBIS-DDSM/{s['case']}/{s['StudyInstanceUID']}/{s['SeriesInstanceUID']}/1-{i + 1}.dcm"
    ),
    "idc-index": lambda s, i: (
        f"cbis_ddsm/{s['PatientID']}/{s['StudyInstanceUID']}/MG_{s['SeriesInstanceUID']}/{s['uuids'][i]}.dcm"
    ),
    "tcia_utils": lambda s, i: f"tciaDownload/{s['SeriesInstanceUID']}/1-{i + 1}.dcm",
    "IDC bucket": lambda s, i: f"{s['crdc_series_uuid']}/{s['uuids'][i]}.dcm",
    "flat, by series": lambda s, i: f"{s['SeriesInstanceUID']}{f'_{i}' if i else ''}.dcm",
    "flat, by case": lambda s, i: f"{s['case']}{'' if s['is_full'] else s['SeriesInstanceUID'][-5:] + str(i)}.png",
    "JPEG mirror": lambda s, i: f"archive/jpeg/{s['SeriesInstanceUID']}/1-{i + 100}.jpg",
}


@pytest.fixture(scope="module")
def mammograms(real_csvs):
    rows = [*read_descriptions([f"{real_csvs}/*train_set.csv"], "train")]
    rows += read_descriptions([f"{real_csvs}/*test_set.csv"], "test")
    return group_by_mammogram(rows)


@pytest.fixture(scope="module")
def all_series(real_csvs, mammograms):
    """The rows of the listing, with the folder that NBIA makes for a series (`case`), its description and date."""
    index = real_csvs / "idc_series.csv"
    if not index.exists():
        pytest.skip(f"no listing of all series in {real_csvs}")
    full = {m.uids[1]: m.mammogram_id for m in mammograms}
    rows = list(csv.DictReader(index.open(newline="")))
    for row in rows:
        row["is_full"] = row["SeriesInstanceUID"] in full
        row["case"] = full.get(row["SeriesInstanceUID"], row["PatientID"])
        row["kind"] = row["SeriesDescription"] or "full mammogram images"
        year, _, rest = row["StudyDate"].partition("-")
        row["date"] = f"{rest}-{year}" if year else "NA"
        row["uuids"] = [uuid.uuid5(uuid.NAMESPACE_OID, f"{row['crdc_series_uuid']}{i}") for i in range(3)]
    return rows


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("descriptions", ["the case descriptions", "the catalogue"])
def test_all_mammograms_are_found_and_nothing_else(layout, descriptions, mammograms, all_series):
    series_of = {
        LAYOUTS[layout](row, i): row["SeriesInstanceUID"] for row in all_series for i in range(int(row["instances"]))
    }
    assert len(series_of) == sum(int(row["instances"]) for row in all_series) == 10_239
    index = FileIndex(Listing(dict.fromkeys(series_of, ListedFile(1, "v"))))
    found, missing, wrong = 0, [], []
    for m in mammograms if descriptions == "the case descriptions" else catalogue_mammograms():
        files = index.locate(m).files
        found += [series_of[file.path] for file in files] == [m.uids[1]]
        missing += [m.mammogram_id] * (not files)
        wrong += [file.path for file in files if series_of[file.path] != m.uids[1]]
    print(f"{layout}: {found} found, {len(missing)} missing, {len(wrong)} wrongly taken")
    assert (found, missing[:3], wrong[:3]) == (3103, [], [])
