"""Runs `trainer.gpu_model` as a child process of a search: on some cores, and no longer than the search.

    python -m pipelines.tuning.training_process CORES [options of trainer.gpu_model]

CORES are numbers separated by commas, or "" for all. Standard input is a pipe to which nothing is written. When its
other end is closed, because the search stops or was killed, this process sends itself SIGTERM: the trainer saves its
last step and ends.
"""

import os
import signal
import sys
import threading

from preprocess.runtime.command import exit_process
from trainer import gpu_model


def main() -> int:
    """Runs the trainer; returns its exit status."""
    cores, *options = sys.argv[1:]
    if cores:
        os.sched_setaffinity(0, map(int, cores.split(",")))
    threading.Thread(target=_end_with_the_search, daemon=True).start()
    return gpu_model.main(options)


def _end_with_the_search() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    exit_process(main())
