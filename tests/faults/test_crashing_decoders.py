"""Decoders that crash, do not end or take all memory: the film is rejected, and the other images are the same bytes.

A `sitecustomize.py` on the PYTHONPATH of the run replaces the load function of Pillow's PNG reader. It causes the fault
that a text chunk of the file names.
"""

import json
import os
import select
import signal
import subprocess
import sys

import pytest
from PIL import Image, PngImagePlugin

from preprocess.images import decoder_process
from preprocess.images.film_task import FilmTask
from preprocess.runtime.errors import RejectedFilm
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
    if fault == "wait":
        signal.pause()
    if fault == "memory":
        blocks = []
        while True:
            blocks.append(bytes(64 << 20))
    if fault == "killed once" and not os.path.exists(os.environ["KILLED"]):
        open(os.environ["KILLED"], "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "prints":
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
HARMLESS = ("killed once", "prints")  # the film is not rejected
GOOD = [Described(f"Calc-Training_P_{n:05d}_LEFT_CC", str(n % 4 + 1)) for n in range(1, 9)]
TEST = [Described("Calc-Test_P_00099_LEFT_CC")]
LAYOUT = ("as in the CSV", "converted PNG", "converted TIFF", "JPEG mirror")


def faulty(fault):
    """Returns the mammogram for a fault."""
    return Described(f"Calc-Training_P_{sum(map(ord, fault)):05d}_RIGHT_CC")


def write_faulty(root, film, fault):
    """Writes its film, a PNG with the fault in a text chunk."""
    text = PngImagePlugin.PngInfo()
    if fault:
        text.add_text("fault", fault)
    return write_image(root / f"films/2_{film.mammogram_id}", random_film(7), format="PNG", pnginfo=text)


def environment(root):
    """Returns environment variables with which Pillow makes the faults."""
    (root / "site").mkdir(exist_ok=True)
    (root / "site/sitecustomize.py").write_text(SITECUSTOMIZE)
    return os.environ | {"PYTHONPATH": str(root / "site"), "KILLED": str(root / "killed")}


def run(root, csv, out, env, workers):
    argv = [sys.executable, "-m", "pipelines.preprocess", "--input", root / "images", "--output", root / out]
    argv += ["--train_csv", root / csv, "--test_csv", root / "test.csv", "--canvas", "70x90", "--max_rejected", "0.5"]
    argv += ["--direct_num_workers", workers]
    return subprocess.run(list(map(str, argv)), cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_films_that_end_a_decoder_are_rejected(tmp_path):
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
    written, expected = tree(tmp_path / "hostile"), tree(tmp_path / "good")
    for name in ("manifest.json", "rejected.jsonl", "data_card.md", "croissant.json", ".film_versions.json"):
        del written[name], expected[name]
    assert len(written) == len(GOOD) + len(HARMLESS) + len(TEST) + 8
    assert written == expected


def test_a_decoder_that_waits_is_ended_after_a_time_limit(tmp_path, monkeypatch):
    """It uses no CPU time, as on a stalled mount. The limit is shortened in the worker, which enforces it."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    path = write_faulty(tmp_path, faulty("wait"), "wait")
    with Image.open(path) as image:
        size = image.height, image.width
    task = FilmTask(str(path), size, size, (8, 6), "area", 10**6)
    assert task.wall_seconds == 240 + 10 * 9
    monkeypatch.setattr(FilmTask, "wall_seconds", 1)
    process = decoder_process.DecoderProcess()
    with pytest.raises(RejectedFilm) as raised:
        decoder_process.decode(task, process)
    assert (raised.value.stage, raised.value.reason) == ("pixels", "reading and decoding it took more than 1 s")
    assert process._process.returncode == -signal.SIGKILL


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
def test_a_decoder_process_ends_when_its_worker_is_killed(fault, full, tmp_path):
    if fault and not full:
        pytest.skip("takes 9 s, the time limit of a film; runs with FAULTS=full")
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


def test_failures_of_the_run_do_not_reject_a_film(tmp_path):
    """If a store fails in a decoder process, or the process does not start, the worker raises that error."""
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
    name, message = failure("import sys\nif 'preprocess.images.decoder_main' in ' '.join(sys.orig_argv): sys.exit(3)")
    assert name == "RunFailed"
    assert "does not start" in message
    stopped = "import os, signal\nfrom PIL import PngImagePlugin\n"
    stopped += "PngImagePlugin.PngImageFile.load = lambda self: os.kill(os.getpid(), signal.SIGTERM)"
    assert failure(stopped) == [
        "RunFailed", "the process that decodes compressed films was stopped from outside (SIGTERM)"]  # fmt: skip
