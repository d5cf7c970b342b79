"""A decoder that crashes, never ends or takes all memory costs its film; the run goes on to the same bytes.

The faults come from outside: a `sitecustomize.py` on the run's PYTHONPATH gives Pillow's PNG reader a fault for files
that ask for it in a text chunk.
"""

import json
import os
import select
import signal
import subprocess
import sys

import pytest
from PIL import PngImagePlugin

from tests import ROOT
from tests.pipelines.test_preprocess import omissions, tree
from tests.support.films import LAYOUTS, Described, random_film, write_csv, write_image

SITECUSTOMIZE = """
import ctypes, os, signal, sys
from PIL import PngImagePlugin

plain = PngImagePlugin.PngImageFile.load

def load(self):
    fault = self.info.get("fault")
    if fault == "crash":
        ctypes.string_at(0)
    if fault == "loop":
        while True:
            pass
    if fault == "memory":
        hoard = []
        while True:
            hoard.append(bytes(64 << 20))
    if fault == "killed once" and not os.path.exists(os.environ["KILLED"]):
        open(os.environ["KILLED"], "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "says":
        print("DOE^JANE", flush=True)
        print("DOE^JANE", file=sys.stderr, flush=True)
        os.write(1, b"DOE^JANE")
    if fault == "bug":
        raise NameError("DOE^JANE")
    return plain(self)

PngImagePlugin.PngImageFile.load = load
"""
REASONS = {
    "crash": "its decoder crashed (SIGSEGV)",
    "loop": "decoding it took more than 9 s of CPU time",
    "memory": "decoding it takes more than 1,536 MiB of memory",
    "bug": "its decoder crashed (exit status 1)",
}
HARMLESS = ("killed once", "says")
GOOD = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 9)]
TEST = [Described("Calc-Test_P_00099_LEFT_CC")]
LAYOUT = ("as in the CSV", "converted PNG", "converted TIFF", "JPEG mirror")


def faulty(fault):
    return Described(f"Calc-Training_P_{sum(map(ord, fault)):05d}_RIGHT_CC")


def write_faulty(root, film, fault):
    text = PngImagePlugin.PngInfo()
    if fault:
        text.add_text("fault", fault)
    return write_image(root / f"films/2_{film.mammogram_id}", random_film(7), format="PNG", pnginfo=text)


def environment(root):
    (root / "site").mkdir(exist_ok=True)
    (root / "site/sitecustomize.py").write_text(SITECUSTOMIZE)
    return os.environ | {"PYTHONPATH": str(root / "site"), "KILLED": str(root / "killed")}


def run(root, csv, out, env, workers):
    argv = [sys.executable, "-m", "pipelines.preprocess", "--input", root / "images", "--output", root / out]
    argv += ["--train_csv", root / csv, "--test_csv", root / "test.csv", "--canvas", "70x90", "--max_rejected", "0.5"]
    argv += ["--direct_num_workers", workers]
    return subprocess.run(list(map(str, argv)), cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_what_ends_a_decoder_costs_that_film(tmp_path):
    for number, film in enumerate([*GOOD, *TEST]):
        LAYOUTS[LAYOUT[number % 4]](tmp_path / "images", film, random_film(number))
    for fault in (*REASONS, *HARMLESS):
        write_faulty(tmp_path / "images", faulty(fault), fault)
    write_csv(tmp_path / "all.csv", [*GOOD, *map(faulty, (*REASONS, *HARMLESS))])
    write_csv(tmp_path / "good.csv", [*GOOD, *map(faulty, HARMLESS)])
    write_csv(tmp_path / "test.csv", TEST)

    hostile = run(tmp_path, "all.csv", "hostile", environment(tmp_path), 2)
    assert hostile.returncode == 0, hostile.stderr
    assert (tmp_path / "killed").exists()
    assert "DOE" not in hostile.stdout + hostile.stderr
    assert {line["case"]: (line["stage"], line["reason"]) for line in omissions(tmp_path / "hostile")} == {
        faulty(fault).mammogram_id: ("pixels", reason) for fault, reason in REASONS.items()
    }

    for fault in HARMLESS:
        write_faulty(tmp_path / "images", faulty(fault), "")
    good = run(tmp_path, "good.csv", "good", os.environ, 1)
    assert good.returncode == 0, good.stderr
    ours, theirs = tree(tmp_path / "hostile"), tree(tmp_path / "good")
    for name in ("manifest.json", "rejected.jsonl"):
        del ours[name], theirs[name]
    assert len(ours) == len(GOOD) + len(HARMLESS) + len(TEST) + 3
    assert ours == theirs


DECODE = """
import sys
from preprocess.images import decoder_process
from preprocess.images.film_task import FilmTask
task = FilmTask(sys.argv[1], (40, 30), (40, 30), (8, 6), "area", 10**6)
process = decoder_process.DecoderProcess()
print(process._process.pid, flush=True)
decoder_process.decode(task, process)
print("decoded", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("fault", ["", "loop"])
def test_no_helper_outlives_a_worker_that_is_killed(fault, full, tmp_path):
    if fault and not full:
        pytest.skip("takes the 9 s that a film may take; FAULTS=full")
    film = Described("Calc-Training_P_00001_LEFT_CC")
    text = PngImagePlugin.PngInfo()
    text.add_text("fault", fault)
    path = write_image(tmp_path / f"films/2_{film.mammogram_id}", random_film(7, 40, 30), format="PNG", pnginfo=text)
    worker = subprocess.Popen(
        [sys.executable, "-c", DECODE, str(path)], cwd=ROOT, env=environment(tmp_path), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    decoder = os.pidfd_open(int(worker.stdout.readline()))
    if not fault:
        assert worker.stdout.readline() == "decoded\n"
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    ended, _, _ = select.select([decoder], [], [], 120)
    assert ended == [decoder]
    os.close(decoder)


def test_what_is_wrong_with_the_run_is_not_blamed_on_a_film(tmp_path):
    """A store that fails in a decoder process fails in the worker; so does a process that cannot be started."""
    path = write_image(tmp_path / "film", random_film(7, 40, 30), format="PNG")
    program = """
import json, sys
from preprocess.images import decoder_process
from preprocess.images.film_task import FilmTask
from preprocess.runtime import errors
task = FilmTask(sys.argv[1], (40, 30), (40, 30), (8, 6), "area", 10**6)
try:
    decoder_process.decode(task, decoder_process.DecoderProcess())
except errors.RunFailed as error:
    print(json.dumps(["RunFailed", str(error)]))
except errors.InputError as error:
    print(json.dumps(["InputError", str(error)]))
"""

    def failure(sitecustomize):
        (tmp_path / "sitecustomize.py").write_text(sitecustomize)
        env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        ran = subprocess.run(
            [sys.executable, "-c", program, str(path)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    store = "from preprocess.files import local\nfrom preprocess.runtime.errors import {0}\n"
    store += "def fail(*_):\n    raise {0}('the store is down')\nlocal.open_for_reading = fail"
    assert failure(store.format("RunFailed")) == ["RunFailed", "the store is down"]
    assert failure(store.format("InputError")) == ["InputError", "the store is down"]
    name, words = failure("import sys\nif 'preprocess.images.decoder_main' in ' '.join(sys.orig_argv): sys.exit(3)")
    assert name == "RunFailed"
    assert "does not start" in words
    stopped = "import os, signal\nfrom PIL import PngImagePlugin\n"
    stopped += "PngImagePlugin.PngImageFile.load = lambda self: os.kill(os.getpid(), signal.SIGTERM)"
    assert failure(stopped) == [
        "RunFailed", "the process that decodes compressed films was stopped from outside (SIGTERM)"]  # fmt: skip
