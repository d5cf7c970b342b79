import os
from pathlib import Path

import pytest

from pipelines import preprocess

REAL = Path(os.environ.get("CBIS_DDSM_CSV_DIR", Path(__file__).parents[2] / "shared/cbis_ddsm"))


@pytest.fixture(scope="session")
def real_csvs():
    """The folder of the four real case descriptions, which the project does not ship."""
    if not (REAL / "calc_case_description_test_set.csv").exists():
        pytest.skip(f"no CBIS-DDSM case descriptions in {REAL}; name their folder in CBIS_DDSM_CSV_DIR")
    return REAL


@pytest.fixture
def job(tmp_path, capfd):
    """Runs the command in this process on one worker; returns its exit status, what it said, and where it wrote."""

    def run(*words, train="train.csv", test="test.csv", images="images", out="out"):
        argv = ["--input", tmp_path / images, "--output", tmp_path / out, "--direct_num_workers", "1"]
        argv += ["--train_csv", tmp_path / train, "--test_csv", tmp_path / test, *words]
        status = preprocess.main([str(word) for word in argv])
        said = capfd.readouterr()
        return status, said.out + said.err, tmp_path / out

    return run
