"""Ends a run of this process at one of its changes of a store, as SIGKILL would: nothing is changed after it."""

from contextlib import contextmanager

from preprocess.files import gcs, local

CHANGES = ("open_for_writing", "write", "move", "delete", "delete_folder", "upload")


class Killed(BaseException):
    """The run was ended."""


@contextmanager
def killed_at(step, monkeypatch):
    """Ends the run in the context at its change number `step`, from 1; 0 for never. Locks are still released.

    Yields:
        A list; its length is the number of changes that were begun.
    """
    begun = []

    def count(path):
        if not path.rpartition("/")[2].startswith(".lock"):
            begun.append(path)
            if step and len(begun) >= step:
                raise Killed

    def counted(function):
        def call(path, *others):
            count(path)
            return function(path, *others)

        return call

    with monkeypatch.context() as patch:
        for store in (local, gcs):
            for name in CHANGES:
                if hasattr(store, name):
                    patch.setattr(store, name, counted(getattr(store, name)))
        yield begun
