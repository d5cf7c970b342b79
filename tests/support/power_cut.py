"""Records the changes of a run on a local disk, and computes what a power cut may leave of them.

The idea is that of CrashMonkey (Mohan et al., OSDI 2018): changes before the last sync are on the disk; of those after
it, any selection may be, and the content of a new file may be lost while its name is there.
"""

import os
import random
from contextlib import contextmanager
from dataclasses import dataclass

from preprocess.files import local

WRITE, MOVE, DELETE, SYNC = "write", "move", "delete", "sync"
LOST, KEPT, TORN = "lost", "kept", "torn"


@dataclass(frozen=True)
class Change:
    """One change of the file system.

    Attributes:
        kind: WRITE, MOVE, DELETE or SYNC.
        path: below the root; of a move, the source.
        target: of a move.
        data: of a written file.
    """

    kind: str
    path: str = ""
    target: str = ""
    data: bytes = b""


class Recorder:
    """Records what the functions of `local` change below a folder.

    Attributes:
        changes: in order.
    """

    def __init__(self, root, monkeypatch):
        self.root, self.changes = f"{root}/", []
        write, move, delete, delete_folder, sync = (
            local.open_for_writing, local.move, local.delete, local.delete_folder, local.sync
        )  # fmt: skip

        @contextmanager
        def recorded_write(path):
            with write(path) as stream:
                yield stream
            self._add(WRITE, path, data=local.read(path))

        def recorded_move(source, target):
            move(source, target)
            self._add(MOVE, source, target)

        def recorded_delete(path):
            delete(path)
            self._add(DELETE, path)

        def recorded_delete_folder(folder):
            files = [f"{folder}/{name}" for name, _ in local.list_files(folder)]
            delete_folder(folder)
            for file in files:
                self._add(DELETE, file)

        def recorded_sync(folder):
            sync(folder)
            if f"{folder}/" == self.root:
                self.changes.append(Change(SYNC))

        monkeypatch.setattr(local, "open_for_writing", recorded_write)
        monkeypatch.setattr(local, "move", recorded_move)
        monkeypatch.setattr(local, "delete", recorded_delete)
        monkeypatch.setattr(local, "delete_folder", recorded_delete_folder)
        monkeypatch.setattr(local, "sync", recorded_sync)

    def _add(self, kind, path, target="", data=b""):
        if path.startswith(self.root) and not path.endswith("/.lock"):
            self.changes.append(Change(kind, path.removeprefix(self.root), target.removeprefix(self.root), data))


def after_cut(before, changes, at, rng):
    """Returns {path: bytes} of a folder after a power cut.

    Args:
        before: {path: bytes} when the recording began.
        at: the number of changes that were made before the cut.
        rng: chooses which of the changes after the last sync are on the disk.
    """
    files = dict(before)
    made = changes[:at]
    synced = max((number + 1 for number, change in enumerate(made) if change.kind == SYNC), default=0)
    style = rng.choice(((LOST,), (KEPT,), (KEPT, TORN), (LOST, KEPT), (LOST, KEPT, TORN)))
    for number, change in enumerate(made):
        fate = KEPT if number < synced else rng.choice(style)
        if change.kind == WRITE and fate != LOST:
            files[change.path] = change.data if fate == KEPT else torn(change.data, rng)
        elif change.kind == MOVE and fate != LOST:
            files[change.target] = files.pop(change.path, b"")  # renamed, and its content was lost
        elif change.kind == DELETE and fate != LOST:
            files.pop(change.path, None)
    return files


def torn(data, rng):
    """Returns what may be left of the content of a file that was not synced: a part, zeros, or nothing."""
    cut = rng.randrange(len(data) + 1)
    return rng.choice((b"", data[:cut], data[:cut] + bytes(len(data) - cut)))


def write_files(root, files):
    """Writes {path: bytes} into a folder."""
    for name, data in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def cuts(before, changes, rng: random.Random, tries):
    """Yields (number of changes, what is left), several times for a power cut after every change."""
    for at in range(len(changes) + 1):
        for _ in range(tries):
            yield at, after_cut(before, changes, at, rng)
