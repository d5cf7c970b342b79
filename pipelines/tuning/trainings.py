"""Runs the trainings of a search as child processes, several at once.

The folder of a training contains `result.json` if it has ended. Otherwise the trainer continues from its last
checkpoint. `log.txt` and `errors.txt` contain what the trainer printed. The weights are deleted after the training.
"""

import fcntl
import os
import queue
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from pipelines.tuning.result import RESULT_FILE, Result, read_best
from pipelines.tuning.search import TRIALS_FOLDER, Search
from pipelines.tuning.slots import GPU_VARIABLE, Slot
from preprocess.runtime.errors import RunFailed
from preprocess.runtime.log import Log
from preprocess.runtime.text import printable
from trainer.model_dir.folder import BEST_PREFIX, EXPORT_FOLDER, KERAS_FILE, LITERT_FILE, VALIDATION_FILE
from trainer.runtime.cluster import VARIABLE

LOG_FILE, ERROR_FILE = "log.txt", "errors.txt"
_RUNNING_FILE = ".running"
_DIVERGED = re.compile(r"the loss of step \d+ is |weights are not finite after step ")
_LARGE = ("ckpt-*", "checkpoint", f"{BEST_PREFIX}*", KERAS_FILE, LITERT_FILE, EXPORT_FOLDER)


class Trainings:
    """Runs trainings; created by `open_trainings`.

    Args:
        descriptor: of the file that shows that trainings are running.
    """

    def __init__(self, search: Search, slots: Sequence[Slot], descriptor: int, log: Log):
        self._search, self._descriptor, self._log = search, descriptor, log
        self._slots: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in slots:
            self._slots.put(slot)
        self._pool = ThreadPoolExecutor(len(slots))
        self._processes: set[subprocess.Popen] = set()
        self._stopping = False

    def run(self, wanted: Sequence[tuple[int, int]]) -> list[Result]:
        """Runs the trainings that have no result yet; returns the results of all in the order of `wanted`.

        Args:
            wanted: (trial, fold) pairs.

        Raises:
            RunFailed: a training failed for another reason than that it diverged.
        """
        futures = [self._pool.submit(self._train, trial, fold) for trial, fold in wanted]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()  # raises the error of a training
        return [future.result() for future in futures]

    def stop(self) -> None:
        """Stops the trainings, which save their last step, and waits for them."""
        self._stopping = True
        for process in list(self._processes):
            _end(process)
        self._pool.shutdown(cancel_futures=True)

    def _train(self, trial: int, fold: int) -> Result:
        """Runs one training unless it has a result; returns the result."""
        folder = self._search.folder(trial, fold)
        path = folder / RESULT_FILE
        if not path.exists():
            result = self._run_process(folder, self._search.training(trial, fold))
            result.write(path)
            kappa = f"kappa {result.quadratic_weighted_kappa:.3f} after step {result.step:,}"
            self._log.info(f"trial {trial}, fold {fold}: {result.failure or kappa}")
        for pattern in _LARGE:
            for large in folder.glob(pattern):
                shutil.rmtree(large) if large.is_dir() else large.unlink()
        return Result.read(path)

    def _run_process(self, folder: Path, options: Sequence[str]) -> Result:
        """Runs the trainer.

        Raises:
            RunFailed: it failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        slot = self._slots.get()
        try:
            with (folder / LOG_FILE).open("ab") as log, (folder / ERROR_FILE).open("wb") as errors:
                cores = ",".join(map(str, slot.cores))
                process = subprocess.Popen(
                    [sys.executable, "-m", "pipelines.tuning.training_process", cores, *options],
                    stdin=subprocess.PIPE, stdout=log, stderr=errors, env=_environment(slot),
                    pass_fds=[self._descriptor], start_new_session=True,
                )  # fmt: skip
            self._processes.add(process)
            if self._stopping:
                _end(process)
            status = process.wait()
            self._processes.discard(process)
            _end(process)
        finally:
            self._slots.put(slot)
        if status == 0:
            return read_best(folder / VALIDATION_FILE)
        lines = (folder / ERROR_FILE).read_text(errors="replace").split("\n")
        last = printable(next((line for line in reversed(lines) if line.strip()), f"it ended with status {status}"))
        last = last.removeprefix("error: ")
        if status == 1 and _DIVERGED.search(last):
            return Result(step=0, failure=last)
        raise RunFailed(f"{folder}: the training failed: {last}")


@contextmanager
def open_trainings(search: Search, slots: Sequence[Slot], log: Log) -> Iterator[Trainings]:
    """Yields an object that runs trainings; they are stopped when the context is left.

    If the search was killed before, its trainings may still save their last step; this function waits for them. They
    hold a lock on the file `.running`, which they inherit.
    """
    folder = search.root / TRIALS_FOLDER
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / _RUNNING_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waits for trainings of an earlier run, which save their last step")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        trainings = Trainings(search, slots, descriptor, log)
        try:
            yield trainings
        finally:
            trainings.stop()
    finally:
        os.close(descriptor)


def _end(process: subprocess.Popen) -> None:
    """Closes the pipe to a training, which ends it."""
    if process.stdin:
        process.stdin.close()


def _environment(slot: Slot) -> dict[str, str]:
    """Returns the environment of a training: with its GPU, and without other workers."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return environment | ({GPU_VARIABLE: slot.gpu} if slot.gpu else {})
