"""Random sequences of everything that may happen to a data set, compared with a simple model, in a folder and in gs://.

The model knows from which films, with which pixels, and with which options the data set must have been made. After each
step, every image is computed again from the films, in the simplest way, and compared.
"""

import functools
import hashlib
import io
import itertools
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from PIL import Image

from pipelines import preprocess, verify
from preprocess.dataset import assemble, publish
from preprocess.files import gcs
from preprocess.files.lock import locked
from tests.faults import FULL, SEED
from tests.pipelines.test_preprocess import tree
from tests.support.cloud import objects
from tests.support.faulty_proxy import proxy
from tests.support.films import Described, area_reference, as_in_csv, nearest_reference, random_film, write_csv
from tests.support.killable import Killed, killed_at

TRAIN = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 4)]
TEST = [Described("Mass-Test_P_00101_RIGHT_MLO"), Described("Mass-Test_P_00102_RIGHT_MLO", "4")]
ALWAYS = (TRAIN[0], TEST[0])  # a data set without images is refused
SOMETIMES = (*TRAIN[1:], TEST[1])
CANVAS, SIZE, FILM = (24, 20), (8, 6), (22, 17)
MOST_CHANGES = 80
PHASES = (Phase.generate, Phase.shrink) if FULL else (Phase.generate,)
PUBLICATION = ((assemble, "stage_dataset"), (publish, "perform"), (assemble, "finish_publication"))
"""The functions of the steps that publish a data set."""
SEQUENCES = 100 if FULL else 4
"""The number of sequences in a group. The full form has ten groups, which two processes can share."""
GROUPS = [("folder", number) for number in range(9 if FULL else 1)] + [("gs", 0)]


@functools.cache
def reference(seed, method):
    """Returns the expected image of a film, (h, w) float64."""
    return (area_reference if method == "area" else nearest_reference)(random_film(seed, *FILM), CANVAS, SIZE)


def twice(function):
    """Returns a function that calls another one twice."""

    def call(*arguments):
        function(*arguments)
        return function(*arguments)

    return call


class DataSetMachine(RuleBasedStateMachine):
    """A data set and its model.

    Attributes:
        films: mammogram -> seed of the pixels of its film; of the films that are there.
        method: the value of --resample.
        made: (method, films) of the data set that must be there; None if there is none.
        uncertain: whether a run was ended since, so that the next one may complete or undo a publication.
        pending: like `made`, of the runs that were ended: a later run may complete their publication.
    """

    numbers = itertools.count()
    folder: Path
    store: str
    bucket = None

    def __init__(self):
        super().__init__()
        self.number = next(self.numbers)
        self.root = self.folder / str(self.number)
        write_csv(self.root / "train.csv", TRAIN)
        write_csv(self.root / "test.csv", TEST)
        self.films, self.method, self.made, self.uncertain = {}, "area", None, False
        self.pending = []
        self.seeds = itertools.count()
        for film in (*TRAIN, *TEST):
            self.write_film(film)
        is_local = self.store == "folder"
        self.out = f"{self.root}/out" if is_local else f"gs://films/{self.number}"
        self.monkeypatch = pytest.MonkeyPatch()

    def teardown(self):
        shutil.rmtree(self.root)

    def write_film(self, film):
        seed = self.films[film] = next(self.seeds)
        path = as_in_csv(self.root / "images", film, random_film(seed, *FILM))
        os.utime(path, ns=(seed, seed))  # a clock may not have advanced since the last change

    def published(self):
        """Returns {name: bytes} of the files under final names."""
        folder = self.root / "out"
        files = tree(folder) if self.store == "folder" else objects(self.bucket, f"{self.number}/")
        return {name: data for name, data in files.items() if not name.startswith((".staging", ".lock"))}

    def run(self, *words):
        argv = [f"--input={self.root}/images", f"--output={self.out}", f"--train_csv={self.root}/train.csv",
                f"--test_csv={self.root}/test.csv", f"--resample={self.method}", "--canvas=20x24", "--image_height=8",
                "--image_width=6", "--max_rejected=1", "--direct_num_workers=1", *words]  # fmt: skip
        return preprocess.main(argv)

    def finish(self, status, force):
        """Updates and checks the model after a run that was not ended."""
        wanted = (self.method, dict(self.films))
        same = self.made is None or (self.made[0], self.made[1].keys()) == (wanted[0], wanted[1].keys())
        if self.uncertain:
            assert status in (0, 2)
            assert status == 0 or not (same or force)
        else:
            assert status == (0 if same or force else 2)
        self.uncertain, self.pending = False, []
        if status == 0:
            self.made = wanted
        self.check()

    def check(self):
        """Compares the files with the model."""
        files = self.published()
        if self.made is None:
            assert "manifest.json" not in files
            return
        method, films = self.made
        listed = json.loads(files["manifest.json"])["files"]
        assert listed.keys() == files.keys() - {"manifest.json", ".film_versions.json"}
        for name, entry in listed.items():
            assert hashlib.sha256(files[name]).hexdigest() == entry["sha256"], name
        pngs = {
            f"small_{'train' if film in TRAIN else 'test'}/{film.density}_{film.mammogram_id}.png": seed
            for film, seed in films.items()
        }
        assert {name for name in files if name.endswith(".png")} == pngs.keys()
        for name, seed in pngs.items():
            pixels = np.asarray(Image.open(io.BytesIO(files[name])))
            assert np.abs(pixels - reference(seed, method)).max() <= (0.5 + 1e-6 if method == "area" else 0), name

    @rule(film=st.sampled_from((*ALWAYS, *SOMETIMES)))
    def change_or_add_film(self, film):
        self.write_film(film)

    @rule(film=st.sampled_from(SOMETIMES))
    def remove_film(self, film):
        if self.films.pop(film, None) is not None:
            (self.root / "images" / film.path).unlink()

    @rule(method=st.sampled_from(("area", "nearest")))
    def choose_method(self, method):
        self.method = method

    @rule(force=st.booleans())
    def prepare(self, force):
        self.finish(self.run(*["--force"] * force), force)

    @rule(step=st.integers(1, MOST_CHANGES), force=st.booleans())
    def prepare_and_kill(self, step, force):
        """Afterwards the data set is the old one, the new one, or none."""
        with killed_at(step, self.monkeypatch) as begun:
            try:
                status = self.run(*["--force"] * force)
            except Killed:
                status = None
        if len(begun) < step:
            self.finish(status, force)
            return
        assert status != 0
        self.uncertain = True
        candidates = [self.made, (self.method, dict(self.films)), *self.pending]
        self.pending = candidates[1:]
        if "manifest.json" not in self.published():
            self.made = None
            return
        for self.made in filter(None, candidates):
            with suppress(AssertionError):
                self.check()
                return
        raise AssertionError("a data set that is neither the old one nor a new one")

    @rule(force=st.booleans())
    def prepare_with_a_repeated_publication(self, force):
        """The runner repeats each step of the publication because its result was lost."""
        with self.monkeypatch.context() as patch:
            for module, name in PUBLICATION:
                patch.setattr(module, name, twice(getattr(module, name)))
            status = self.run(*["--force"] * force)
        self.finish(status, force)

    @rule(force=st.booleans())
    def prepare_while_another_run_does(self, force):
        before = self.published()
        with locked(self.out, "--output"):
            assert self.run(*["--force"] * force) == 2
        assert self.published() == before

    @precondition(lambda self: not self.uncertain)
    @rule()
    def verify(self):
        assert verify.main([self.out]) == (2 if self.made is None else 0)


@pytest.mark.parametrize(("store", "group"), GROUPS)
def test_random_sequences(store, group, bucket, tmp_path, monkeypatch):
    blobs, environment = bucket

    class Machine(DataSetMachine):
        folder = tmp_path

    Machine.store, Machine.bucket = store, blobs
    hypothesis.seed(SEED + group)(Machine)
    print(f"FAULTS_SEED={SEED}, {SEQUENCES} sequences")
    chosen = settings(
        max_examples=SEQUENCES, stateful_step_count=10, deadline=None, database=None, print_blob=True,
        phases=PHASES, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    with proxy(environment["STORAGE_EMULATOR_HOST"], lambda *_: None) as server:
        for name, value in (environment | {"STORAGE_EMULATOR_HOST": server.url}).items():
            monkeypatch.setenv(name, value)
        gcs._own_client.cache_clear()
        run_state_machine_as_test(Machine, settings=chosen)
        gcs._own_client.cache_clear()
